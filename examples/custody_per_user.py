"""Each signed-in user brings an OpenAI key of their own. Run: uvicorn custody_per_user:app --app-dir examples

curl -u ada:lovelace -X PUT localhost:8000/api/v1/me/openai-key -d '{"key": "<your key>"}'
curl -u ada:lovelace localhost:8000/api/v1/chat -d '{"prompt": "Why is the sky blue?"}'
"""

import secrets
from typing import Annotated

from fastapi import Depends, FastAPI
from fastapi.security import HTTPBasic, HTTPBasicCredentials

from doorward.routers import openai_per_user

PASSWORDS = {"ada": "lovelace", "grace": "hopper"}  # your own users, sessions or tokens


def current_user(
    given: Annotated[HTTPBasicCredentials | None, Depends(HTTPBasic(auto_error=False))],
) -> str | None:
    """The id of whoever is signed in; `None` for nobody."""
    if given is None or given.username not in PASSWORDS:
        return None
    matches = secrets.compare_digest(PASSWORDS[given.username], given.password)
    return given.username if matches else None


app = FastAPI(title="Each user's own key")
app.include_router(openai_per_user(current_user=current_user), prefix="/api/v1")
