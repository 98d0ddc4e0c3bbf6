"""How a peer's Python finds the worker, in whose environment Emberline is not installed."""

from __future__ import annotations

from pathlib import Path


def stage(folder: Path) -> Path:
    """Make a folder out of which a bare Python imports `emberline.bench`, and nothing else of Emberline.

    Args:
        folder: an empty one.

    Returns:
        What to put on the peer's path.
    """
    package = folder / "emberline"
    package.mkdir(parents=True)
    (package / "bench").symlink_to(Path(__file__).resolve().parents[1], target_is_directory=True)
    return folder


def peer_environment(staged: Path) -> dict[str, str]:
    """Variables for a peer's process: it sees its own packages and the staged folder, and asks nobody outside."""
    return {
        "PYTHONPATH": str(staged),
        "PYTHONSAFEPATH": "1",  # the folder in which the bench was started is no place for imports
        "PYTHONNOUSERSITE": "1",
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "DO_NOT_TRACK": "1",
        "INFINITY_ANONYMOUS_USAGE_STATS": "0",
    }
