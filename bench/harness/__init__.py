"""How things are measured: loops, load, workers, texts, summaries, results. A peer's bare Python imports this."""
