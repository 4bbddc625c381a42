"""FastAPI routers for other people's apps: `app.include_router(openai_per_user(current_user=...), prefix="/api/v1")`.

apps: chat, summaries, classification, search, agents, jobs · openai_per_user, openai_admin, openai_anonymous: key
endpoints and one-shot chat in each custody mode · House: the Doorward behind them, to share between routers
"""

from doorward.routers.apps import apps
from doorward.routers.house import House
from doorward.routers.openai_admin import openai_admin
from doorward.routers.openai_anonymous import openai_anonymous
from doorward.routers.openai_per_user import openai_per_user

__all__ = ["House", "apps", "openai_admin", "openai_anonymous", "openai_per_user"]
