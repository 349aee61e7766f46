"""Catalogue of the local fal: endpoints with list price, unit and typical quantities."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Meter:
    """An endpoint with its price and quantities, as the texts that are sent."""

    endpoint_id: str
    name: str
    developer: str
    unit: str
    unit_price: str
    quantities: tuple[str, ...]


# Prices and quantities have at most three decimals, so that price × quantity × (1 − discount) is a whole
# number of nano-USD, except for the oddities.
METERS = (
    Meter("fal-ai/flux/dev", "FLUX.1 [dev]", "Black Forest Labs", "Megapixels", "0.025", ("1", "2", "4")),
    Meter("fal-ai/flux/schnell", "FLUX.1 [schnell]", "Black Forest Labs", "Megapixels", "0.003", ("1", "2")),
    Meter(
        "fal-ai/flux-pro/v1.1", "FLUX1.1 [pro]", "Black Forest Labs", "Megapixels", "0.04", ("1", "2", "3")
    ),
    Meter("fal-ai/fast-sdxl", "Stable Diffusion XL", "Stability AI", "Images", "0.002", ("1", "4", "8")),
    Meter(
        "fal-ai/kling-video/v2/master/text-to-video",
        "Kling 2 Master",
        "Kuaishou",
        "Seconds",
        "0.28",
        ("5", "10"),
    ),
    Meter("fal-ai/veo3", "Veo 3", "Google", "Seconds", "0.4", ("4", "6", "8")),
    Meter("fal-ai/whisper", "Whisper", "OpenAI", "Seconds", "0.001", ("12.5", "61.042", "600", "3599.987")),
    Meter(
        "fal-ai/minimax/speech-02-hd",
        "Speech-02 HD",
        "MiniMax",
        "1000 Characters",
        "0.1",
        ("0.042", "1.337", "5"),
    ),
    Meter("fal-ai/any-llm", "Any LLM", "fal", "Requests", "0.001", ("1",)),
    # an app of the customer, which is not in the catalogue
    Meter(
        "acme-inc/private-lora-app", "private-lora-app", "acme-inc", "GPU Seconds", "0.001", ("0.85", "7.125")
    ),
)

WEIGHTS = (24, 20, 8, 12, 4, 2, 10, 8, 8, 4)

# the model of the switch launch, which no other event uses
LAUNCHED = Meter("fal-ai/sora-2/text-to-video", "Sora 2", "OpenAI", "Seconds", "0.1", ("4", "8", "12"))

METER_OF = {meter.endpoint_id: meter for meter in (*METERS, LAUNCHED)}

# prices after `World.changed_at`, with the switch price_changes
NEW_PRICES = {"fal-ai/flux/dev": "0.03", "fal-ai/fast-sdxl": "0.003", "fal-ai/veo3": "0.35"}

# units as /models/pricing writes them
API_UNITS = {
    "Megapixels": "megapixel",
    "Images": "image",
    "Seconds": "second",
    "1000 Characters": "1000 characters",
    "Requests": "request",
}

CATEGORIES = {
    "fal-ai/flux/dev": "text-to-image",
    "fal-ai/flux/schnell": "text-to-image",
    "fal-ai/flux-pro/v1.1": "text-to-image",
    "fal-ai/fast-sdxl": "text-to-image",
    "fal-ai/kling-video/v2/master/text-to-video": "text-to-video",
    "fal-ai/veo3": "text-to-video",
    "fal-ai/whisper": "speech-to-text",
    "fal-ai/minimax/speech-02-hd": "text-to-speech",
    "fal-ai/any-llm": "llm",
    LAUNCHED.endpoint_id: "text-to-video",
}

DEPRECATED = "fal-ai/fast-sdxl"

# what /models and /models/pricing know
LISTED = tuple(meter for meter in METER_OF.values() if meter.endpoint_id in CATEGORIES)
