"""LiteLLM's hook for keys of one's own (`general_settings.custom_auth`): a key says its limits itself, so no database is needed.

Always holds: what is returned is what LiteLLM reads from its database for a virtual key; LiteLLM itself counts, reserves and refuses.
Absent: secrets. A key is `sk-<name>_<dollars>_<requests per minute>`; 0 is no limit.
"""

from litellm.proxy._types import UserAPIKeyAuth


async def user_api_key_auth(request, api_key: str) -> UserAPIKeyAuth:
    name, dollars, rpm = api_key.removeprefix("sk-").rsplit("_", 2)
    return UserAPIKeyAuth(api_key=api_key, key_alias=name, max_budget=float(dollars) or None, rpm_limit=int(rpm) or None)
