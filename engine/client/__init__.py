"""The clients of a server: blocking and asyncio. Import them from `emberline.engine`."""
