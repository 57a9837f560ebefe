"""Codex rollouts: the logs of sessions under ``~/.codex``, one record on each line."""
