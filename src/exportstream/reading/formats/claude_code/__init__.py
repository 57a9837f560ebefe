"""Claude Code transcripts: the logs of sessions under ``~/.claude/projects``, one record on each line."""
