"""Coverage-guided hunts for a file or a reference on which two ways of reading disagree."""
