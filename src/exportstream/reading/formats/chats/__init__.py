"""Exports of chats: documents of conversations, each of which is held until it ends."""
