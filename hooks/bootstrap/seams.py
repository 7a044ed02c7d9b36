"""The places where a host's process is touched, each put back by the function that its patch returns."""

from __future__ import annotations

import contextlib
import functools
import inspect
import json
import os
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

Undo = Callable[[], None]
KEY = "crysmm_attn"


def wrap_attribute(
    owner: Any, name: str, wrapper: Callable[[Callable[..., Any]], Callable[..., Any]]
) -> Undo:
    """Replace ``owner.name`` by ``wrapper(original)``; undone only while nobody has patched over it."""
    original = getattr(owner, name)
    wrapped = functools.wraps(original)(wrapper(original))
    setattr(owner, name, wrapped)

    def undo() -> None:
        if getattr(owner, name, None) is wrapped:
            setattr(owner, name, original)

    return undo


def watch_saves(torch: ModuleType, saved: Callable[[str, Any], None]) -> Undo:
    """``saved(path, object)`` after each ``torch.save`` to a path or a named file."""

    def wrapper(original: Callable[..., Any]) -> Callable[..., Any]:
        def save(obj: Any, f: Any, *args: Any, **kwargs: Any) -> Any:
            result = original(obj, f, *args, **kwargs)
            path = f if isinstance(f, (str, os.PathLike)) else getattr(f, "name", None)
            if isinstance(path, (str, os.PathLike)):
                saved(os.fspath(path), obj)
            return result

        return save

    return wrap_attribute(torch, "save", wrapper)


def watch_steps(stepped: Callable[[], None]) -> Undo:
    """``stepped()`` after each step of any optimizer."""
    from torch.optim.optimizer import register_optimizer_step_post_hook

    handle = register_optimizer_step_post_hook(lambda optimizer, args, kwargs: stepped())
    return handle.remove


def watch_backward(torch: ModuleType, computed: Callable[[], None]) -> Undo:
    """``computed()`` before each backward pass, by ``Tensor.backward`` or ``torch.autograd.backward``."""

    def wrapper(original: Callable[..., Any]) -> Callable[..., Any]:
        def backward(*args: Any, **kwargs: Any) -> Any:
            computed()
            return original(*args, **kwargs)

        return backward

    return wrap_attribute(torch.autograd, "backward", wrapper)


def watch_training_function(
    module: ModuleType, name: str, arguments: tuple[str, str], started: Callable[[Any, Any], None]
) -> Undo:
    """``started(configuration, loaders)`` before each call of a host's training function.

    Args:
        module: Where it is.
        name: Its name.
        arguments: Its parameters that hold configuration and loaders.
        started: Called with them; None for what was not given.
    """

    def wrapper(original: Callable[..., Any]) -> Callable[..., Any]:
        signature = inspect.signature(original)

        def training(*args: Any, **kwargs: Any) -> Any:
            with contextlib.suppress(TypeError):  # the host's own call will say what is wrong with it
                given = signature.bind_partial(*args, **kwargs).arguments
                started(given.get(arguments[0]), given.get(arguments[1]))
            return original(*args, **kwargs)

        return training

    return wrap_attribute(module, name, wrapper)


def watch_loader_function(module: ModuleType, name: str, made: Callable[[Any], None]) -> Undo:
    """``made(result)`` after each call of the function that makes a host's loaders."""

    def wrapper(original: Callable[..., Any]) -> Callable[..., Any]:
        def loaders(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            made(result)
            return result

        return loaders

    return wrap_attribute(module, name, wrapper)


def take_key_before_validation(pydantic: ModuleType, taken: Callable[[Any], None]) -> Undo:
    """Remove the key ``crysmm_attn`` from what a pydantic model (1 or 2) is built from, unless it declares it.

    ``taken(value)`` gets the value, so that a config class that forbids unknown keys never sees it.
    """
    model = pydantic.BaseModel

    def declares(cls: type) -> bool:
        # looked up without attribute access on instances, which pydantic 2 deprecates
        fields = getattr(cls, "model_fields", None) or getattr(cls, "__fields__", {})
        return KEY in fields

    def init_wrapper(original: Callable[..., Any]) -> Callable[..., Any]:
        def __init__(self: Any, /, **data: Any) -> None:
            if KEY in data and not declares(type(self)):
                taken(data.pop(KEY))
            original(self, **data)

        return __init__

    undos = [wrap_attribute(model, "__init__", init_wrapper)]
    validate = model.__dict__.get("model_validate")
    if validate is not None:
        function = validate.__func__

        def model_validate(cls: type, obj: Any, *args: Any, **kwargs: Any) -> Any:
            if isinstance(obj, Mapping) and KEY in obj and not declares(cls):
                obj = dict(obj)
                taken(obj.pop(KEY))
            return function(cls, obj, *args, **kwargs)

        model.model_validate = classmethod(functools.wraps(function)(model_validate))

        def undo() -> None:
            model.model_validate = validate

        undos.append(undo)
    validate_json = model.__dict__.get("model_validate_json")
    if validate_json is not None:
        read_json = validate_json.__func__

        def model_validate_json(cls: type, json_data: Any, *args: Any, **kwargs: Any) -> Any:
            text = json_data if isinstance(json_data, str) else bytes(json_data).decode("utf-8", "replace")
            if f'"{KEY}"' in text and not declares(cls):
                with contextlib.suppress(json.JSONDecodeError):  # pydantic says what is wrong with it
                    values = json.loads(text)
                    if isinstance(values, dict) and KEY in values:
                        taken(values.pop(KEY))
                        json_data = json.dumps(values)
            return read_json(cls, json_data, *args, **kwargs)

        model.model_validate_json = classmethod(functools.wraps(read_json)(model_validate_json))

        def undo_json() -> None:
            model.model_validate_json = validate_json

        undos.append(undo_json)

    def undo_all() -> None:
        for put_back in undos:
            put_back()

    return undo_all


def plain_config(config: Any) -> dict[str, Any] | None:
    """A host's config object as plain values: a mapping, a pydantic model, a namespace; else None."""
    for name in ("model_dump", "dict"):
        method = getattr(config, name, None)
        if callable(method) and not isinstance(config, Mapping):
            try:
                return dict(method())
            except (TypeError, ValueError):
                continue
    if isinstance(config, Mapping):
        return {str(k): plain_config(v) if hasattr(v, "dict") else v for k, v in config.items()}
    if hasattr(config, "__dict__"):
        return dict(vars(config))
    return None
