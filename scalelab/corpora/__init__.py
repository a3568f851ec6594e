"""Sources of documents, one file a kind: the file's name registers it."""
