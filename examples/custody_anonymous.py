"""No login at all: a demo on this machine, one key for every visitor, at most five dollars ever.

Run: uvicorn custody_anonymous:app --app-dir examples

    curl -X PUT localhost:8000/api/v1/openai-key -d '{"key": "<your key>"}'
    curl localhost:8000/api/v1/chat -d '{"prompt": "Why is the sky blue?"}'
"""

from fastapi import FastAPI
from fastapi.responses import HTMLResponse

from doorward.routers import openai_anonymous

PAGE = """<!doctype html><title>Ask</title><form><input name="prompt"><button>Ask</button></form><p></p><script>
document.forms[0].onsubmit = async (event) => {
  event.preventDefault()
  const prompt = document.forms[0].prompt.value
  const answer = await fetch("/api/v1/chat", {method: "POST", body: JSON.stringify({prompt})}).then((r) => r.json())
  document.querySelector("p").textContent = answer.text ?? answer.error.message
}
</script>"""

app = FastAPI(title="One key for every visitor")
app.include_router(openai_anonymous(spend_cap_usd=5), prefix="/api/v1")


@app.get("/", response_class=HTMLResponse)
async def page() -> str:
    return PAGE
