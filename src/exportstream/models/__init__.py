"""What an export holds: sessions, messages, tool calls. Plain structs without behaviour of any stage."""
