"""Values that an application gives as settings, held to what their annotations say.

msgspec checks a struct's fields where it reads one, not where a program makes one.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, get_type_hints

import msgspec

from tastemesh.errors import ConfigError


def check_field_types(told: msgspec.Struct) -> None:
    """Refuse a field of another type; make a tuple of a list, and a float of a whole number.

    A mapping is never taken for a struct: a misspelt name in it would go unnoticed. Values are not
    repeated, as one may be a password.

    Args:
        told: a struct that is being made.

    Raises:
        ConfigError: names the field.
    """
    for name, hint in _hints(type(told)).items():
        value = getattr(told, name)
        try:
            if isinstance(value, Mapping):
                raise msgspec.ValidationError
            right = msgspec.convert(value, hint)
        except msgspec.ValidationError:
            expected = hint.__name__ if isinstance(hint, type) else str(hint)
            expected = expected.replace("pathlib._local.", "pathlib.")  # as Python 3.13 says it
            raise ConfigError(
                f"{name} is of type {type(value).__name__}; expected {expected}"
            ) from None
        msgspec.structs.force_setattr(told, name, right)


@cache
def _hints(kind: type[msgspec.Struct]) -> dict[str, Any]:
    return get_type_hints(kind)
