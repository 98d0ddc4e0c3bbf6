"""The shared catalogue: items in a PostgreSQL database, which any number of servers read and write."""
