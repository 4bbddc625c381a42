"""The typed client library for OpenAI-format APIs: the official SDK's transport, requests and errors of our own.

Config, Bearer: where calls go and with which key · chat, completions, embeddings, images, audio, moderations, models,
files: one module a part of the API, as functions (`await chat.create_chat_completion(config, request)`) and as suites
(`ChatApi(config)`) · text_of, one_shot: a prompt in, text out · ConnectorError: the root of everything raised
"""

from doorward.connector import audio, chat, completions, embeddings, files, images, models, moderations
from doorward.connector.audio import AudioApi
from doorward.connector.chat import ChatApi, one_shot, text_of
from doorward.connector.completions import CompletionsApi
from doorward.connector.config import Bearer, Config
from doorward.connector.embeddings import EmbeddingsApi
from doorward.connector.errors import ConnectorError
from doorward.connector.files import FilesApi
from doorward.connector.images import ImagesApi
from doorward.connector.models import ModelsApi
from doorward.connector.moderations import ModerationsApi

__all__ = [
    "AudioApi",
    "Bearer",
    "ChatApi",
    "CompletionsApi",
    "Config",
    "ConnectorError",
    "EmbeddingsApi",
    "FilesApi",
    "ImagesApi",
    "ModelsApi",
    "ModerationsApi",
    "audio",
    "chat",
    "completions",
    "embeddings",
    "files",
    "images",
    "models",
    "moderations",
    "one_shot",
    "text_of",
]
