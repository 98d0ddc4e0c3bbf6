"""Text processing: attributes are rendered to text, and text is tokenized."""
