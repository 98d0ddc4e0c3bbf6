"""The engine in this process, without a server: blocking and for asyncio. Import it from `emberline.engine`."""
