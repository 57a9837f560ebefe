"""What holds for any input: drawn documents, independent oracles, growth."""
