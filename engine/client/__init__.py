"""The clients of a server: blocking and asyncio."""
