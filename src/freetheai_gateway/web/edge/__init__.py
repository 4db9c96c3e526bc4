"""The HTTP edge: uvicorn with limits, deadlines, disconnect callbacks and an orderly end."""
