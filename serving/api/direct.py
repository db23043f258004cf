"""Routes that are asked all the time are called without the detours that suit the others.

Between a request and its function FastAPI has layers and a search, each of which costs some of the
little time that a score takes. A route that reads its body itself and has nothing in its path needs
none of it. Its errors become answers by the handlers that the application has for all.
"""

from collections.abc import Iterable

from fastapi import FastAPI, Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from replyrank.serving.api.guard import App, Receive, Scope, Send


class Direct:
    """Calls some routes of an application by itself.

    Args:
        app: has the routes, and the others too.
        routes: those whose functions take the request alone.
    """

    def __init__(self, app: FastAPI, routes: Iterable[APIRoute]) -> None:
        self._app = app
        self._inner: App = app
        self._routes = {
            (method, route.path): route for route in routes for method in route.methods or ()
        }

    def bypass_nothing(self) -> None:
        """Let every request go through the application, where something in it looks on."""
        self._routes = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        route = None
        if scope["type"] == "http":
            route = self._routes.get((scope["method"], scope["path"]))
        if route is None:
            await self._inner(scope, receive, send)
            return
        # What the application itself would note, and metrics and routes look for.
        scope["app"], scope["route"] = self._app, route
        request = Request(scope, receive, send)
        try:
            response = await route.endpoint(request)
        except Exception as error:  # whichever it is: the handler of its kind makes an answer
            response = await self._answer(request, error)
        await response(scope, receive, send)

    async def _answer(self, request: Request, error: Exception) -> Response:
        for kind in type(error).__mro__:
            handler = self._app.exception_handlers.get(kind)
            if handler is not None:
                answer = handler(request, error)
                return answer if isinstance(answer, Response) else await answer
        raise error
