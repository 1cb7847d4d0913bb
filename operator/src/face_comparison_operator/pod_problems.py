"""The problems that keep pods from becoming ready, and the reasons that conditions give for them."""

from __future__ import annotations

from dataclasses import dataclass

IMAGE_PULL_FAILED = "ImagePullFailed"
SECRET_NOT_FOUND = "SecretNotFound"  # noqa: S105 (a reason)
UNSCHEDULABLE = "Unschedulable"
ACCELERATOR_UNAVAILABLE = "AcceleratorUnavailable"
MODEL_INVALID = "ModelInvalid"
MODEL_DOWNLOAD_FAILED = "ModelDownloadFailed"
SETTINGS_INVALID = "SettingsInvalid"
OUT_OF_MEMORY = "OutOfMemory"
CRASH_LOOPING = "CrashLooping"
EVICTED = "Evicted"
VOLUME_FAILED = "VolumeFailed"
CONTAINER_FAILED = "ContainerFailed"
POD_CREATION_FAILED = "PodCreationFailed"
PROBE_FAILED = "ProbeFailed"
NODE_NOT_READY = "NodeNotReady"
POD_TERMINATING = "PodTerminating"


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem that keeps pods from becoming ready. `starting`: normal while a service starts."""

    reason: str
    message: str
    starting: bool = False
