"""YAML files of settings over packaged defaults, with errors that a lead can act on."""

import difflib
from collections.abc import Hashable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from replyrank.pipeline.errors import SettingsError

Settings = TypeVar("Settings", bound=BaseModel)


class _Loader(yaml.SafeLoader):
    """YAML in which ``off`` is a word (as in YAML 1.2) and a key stands once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            name = str(key.value)
            if name in seen:
                message = f"key {name!r} stands twice"
                raise yaml.MarkedYAMLError(problem=message, problem_mark=key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep)


def _without_old_booleans() -> dict[str, list[tuple[str, Any]]]:
    keep: dict[str, list[tuple[str, Any]]] = {}
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items():
        old = letter in "yYnNoO"
        keep[letter] = [r for r in resolvers if not (old and r[0] == "tag:yaml.org,2002:bool")]
    return keep


_Loader.yaml_implicit_resolvers = _without_old_booleans()


@dataclass(frozen=True)
class SettingsFile(Generic[Settings]):
    """A kind of settings file: what it says, and where its defaults lie."""

    model: type[Settings]
    #: in errors, such as ``policy``
    what: str
    package: str
    #: of the packaged defaults
    name: str

    def load(self, path: str | Path | None = None) -> Settings:
        """The packaged settings, or those of a file, which may state only what differs.

        Raises:
            SettingsError: if the file cannot be read, has an unknown key, or a value that the
                settings refuse; the message names the key, the value and the remedy.
        """
        packaged = resources.files(self.package).joinpath(self.name).read_text(encoding="utf-8")
        defaults = self._mapping(packaged, self.name)
        if path is None:
            return self._validate(defaults, self.name)
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            message = f"{self.what} {path} cannot be read ({error}); give a YAML file in UTF-8"
            raise SettingsError(message) from error
        return self._validate(self._over(defaults, self._mapping(text, path), path), path)

    def _mapping(self, text: str, source: str | Path) -> dict[str, Any]:
        try:
            # A subclass of the safe loader: it builds plain values only.
            content = yaml.load(text, Loader=_Loader)  # noqa: S506
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            where = "" if mark is None else f" in line {mark.line + 1}"
            message = f"{self.what} {source} is not valid YAML{where}: {error.problem}; "
            raise SettingsError(message + "correct it there") from error
        except (yaml.YAMLError, ValueError) as error:  # a date that there is not is a ValueError
            message = f"{self.what} {source} is not valid YAML: {error}; correct it"
            raise SettingsError(message) from error
        if content is None:
            return {}
        if not isinstance(content, dict):
            message = f"{self.what} {source} holds {content!r}; write keys and values, such as "
            raise SettingsError(message + "'name: mine'")
        return cast("dict[str, Any]", content)

    def _over(
        self, defaults: dict[str, Any], own: dict[str, Any], source: str | Path, where: str = ""
    ) -> dict[str, Any]:
        """The defaults with a file's own values laid over them, key by key."""
        merged = dict(defaults)
        for key, value in own.items():
            if key not in defaults:
                raise SettingsError(self._unknown(f"{where}{key}", value, list(defaults), source))
            default = defaults[key]
            if isinstance(default, dict) and isinstance(value, dict):
                merged[key] = self._over(default, value, source, f"{where}{key}.")
            else:
                merged[key] = value
        return merged

    def _unknown(self, key: str, value: object, known: list[str], source: str | Path) -> str:
        near = difflib.get_close_matches(key.rpartition(".")[2], known, n=1)
        remedy = f"did you mean {near[0]}?" if near else f"known keys here: {', '.join(known)}"
        stated = f"{self.what} {source}: {key} (value {value!r})"
        return f"{stated} is not a key of the {self.what}; {remedy}"

    def _validate(self, content: dict[str, Any], source: str | Path) -> Settings:
        try:
            return self.model.model_validate(content)
        except ValidationError as error:
            found = [_sentence(detail) for detail in error.errors(include_url=False)]
            message = f"{self.what} {source}: " + "\n".join(found)
            raise SettingsError(message) from error


def _sentence(detail: ErrorDetails) -> str:
    """One finding of pydantic as fact, value, remedy."""
    where = ".".join(str(part) for part in detail["loc"])
    said = detail["msg"].removeprefix("Value error, ")
    if isinstance(detail["input"], dict | list) or detail["type"] == "missing":
        return f"{where}: {said}" if where else said
    said = said.replace("Input should be", "it should be", 1)
    return f"{where} is {detail['input']!r}; {said}"
