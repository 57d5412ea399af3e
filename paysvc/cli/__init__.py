"""The command line: one command per verb, with the verb's name; the same rules as the API."""
