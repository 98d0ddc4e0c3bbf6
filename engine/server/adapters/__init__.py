"""Adapters: other people's protocols on the same engine. Each turns messages into records, and knows no other one."""
