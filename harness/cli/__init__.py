"""The verbs' options, a module each; what a verb does is in harness/commands/."""
