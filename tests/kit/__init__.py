"""What tests share: documents, files, the command and readings."""
