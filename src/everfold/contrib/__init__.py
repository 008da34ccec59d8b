"""An app inside another web framework: FastAPI, Starlette, Litestar, Django, Flask. One module for each; for users.

Nothing in everfold imports from here, and each module needs only the framework that it is about.
"""
