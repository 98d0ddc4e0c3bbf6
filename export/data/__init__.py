"""Reading data sets, rendering them to text and splitting them without leaks."""
