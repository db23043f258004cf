"""What a service is started with: options of the command, else ``REPLYRANK_*`` variables."""

from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

Seconds = Annotated[float, Field(ge=0)]


class Settings(BaseSettings):
    """Settings of ``replyrank serve``."""

    model_config = SettingsConfigDict(env_prefix="REPLYRANK_", extra="ignore", frozen=True)

    #: URL of SQLAlchemy
    database: str = "sqlite:///replyrank.db"
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8080
    #: folder or name; without it the champion pointer, then the shipped model
    model: str | None = None
    policy: Path | None = None
    #: threads of the model; without it every CPU
    threads: Annotated[int | None, Field(ge=1)] = None
    #: seconds of scoring that may be inside before requests are refused
    max_wait: Seconds = 0.25
    #: seconds after which a caller of /v1/score gives up, unless it says so itself
    deadline: Seconds = 2.0
    max_body: Annotated[int, Field(ge=1_024)] = 1 << 20
    max_texts: Annotated[int, Field(ge=1)] = 256
    max_letters: Annotated[int, Field(ge=1)] = 10_000
    #: of one key
    requests_per_second: Annotated[int, Field(ge=1)] = 500
    #: seconds an agent holds an item without renewing
    lease: Annotated[float, Field(gt=0, le=86_400)] = 600.0
    #: seconds between "not ready" and the end of listening
    drain: Seconds = 5.0
    #: seconds that requests in flight have to end
    grace: Seconds = 25.0
    #: days that finished items are kept; 0 keeps them
    retention_days: Annotated[int, Field(ge=0)] = 90
    #: seconds between looks at the champion pointer
    watch: Annotated[float, Field(gt=0)] = 2.0
    #: seconds between computations of the whole order
    tick: Annotated[float, Field(gt=0)] = 1.0
