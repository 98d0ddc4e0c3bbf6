"""Results as documents: text, tables and plots, on a terminal, as Markdown and as one HTML page."""
