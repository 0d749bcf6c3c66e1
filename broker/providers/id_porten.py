"""Preset of ID-porten; its refusals are those of Maskinporten (`maskinporten`)."""

from broker.providers.digdir import digdir

PRESET = digdir("ID-porten", r"authorization_details|iss_onbehalfof|pid|resource")
