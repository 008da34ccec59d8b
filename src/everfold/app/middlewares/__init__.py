"""The middlewares that come with everfold, one per file. The app's default pipeline is listed in ``app.pipeline``."""
