"""An admin stores one OpenAI key, everybody signed in uses it. Run: uvicorn custody_admin:app --app-dir examples

curl -u ada:lovelace -X PUT localhost:8000/api/v1/openai-key -d '{"key": "<your key>"}'
curl -u grace:hopper localhost:8000/api/v1/chat -d '{"prompt": "Why is the sky blue?"}'
"""

import secrets
from typing import Annotated

from fastapi import Depends, FastAPI
from fastapi.security import HTTPBasic, HTTPBasicCredentials

from doorward.routers import openai_admin

PASSWORDS = {"ada": "lovelace", "grace": "hopper"}  # your own users, sessions or tokens
ADMINS = {"ada"}


def current_user(
    given: Annotated[HTTPBasicCredentials | None, Depends(HTTPBasic(auto_error=False))],
) -> str | None:
    """The id of whoever is signed in; `None` for nobody."""
    if given is None or given.username not in PASSWORDS:
        return None
    matches = secrets.compare_digest(PASSWORDS[given.username], given.password)
    return given.username if matches else None


app = FastAPI(title="One key, set by an admin")
app.include_router(openai_admin(current_user=current_user, is_admin=ADMINS.__contains__), prefix="/api/v1")
