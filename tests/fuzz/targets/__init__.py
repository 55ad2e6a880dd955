"""All fuzz targets, by name."""

from tests.fuzz.target import Target
from tests.fuzz.targets import answers, codings, configuration, events, headers, requests

TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        requests.TARGET,
        events.TARGET,
        answers.TARGET,
        headers.TARGET,
        codings.TARGET,
        configuration.TARGET,
    )
}
