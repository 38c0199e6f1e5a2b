"""What each verb does: checks what was asked, has it measured, collects, shows."""
