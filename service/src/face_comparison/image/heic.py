"""Decodes HEIC in a separate process, using libheif and libde265 from the decoder-only package of the extra `heif`.

They crash on some damaged files and hang on others (libde265 1.1.0: 4 kB are enough), so the service must survive the
loss of the process that decodes. That process takes about 20 ms to start; a photograph takes 300 ms to decode.

libheif applies cropping, rotation and mirroring itself. Of a file with several images, the primary image is decoded.
"""

from __future__ import annotations

import importlib.util
import signal
import subprocess
import sys

import cv2
import numpy as np
from numpy.typing import NDArray

from face_comparison import cancellation
from face_comparison.errors import CorruptImage, UnsupportedFormat
from face_comparison.image.alpha import on_white
from face_comparison.image.isobmff import SWAPPED_ORIENTATIONS, brands, primary_image

_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
_ANY_CODEC = frozenset({b"mif1", b"msf1", b"mif2"})
_OTHER_CODECS = frozenset({b"avif", b"avis", b"jpeg", b"jpgs", b"j2ki", b"j2is", b"avci", b"avcs"})


def is_installed() -> bool:
    """Returns whether the package that decodes HEIC is installed."""
    return importlib.util.find_spec("pi_heif") is not None


def matches(start: bytes) -> bool:
    """Returns whether the first bytes are those of a HEIC file.

    Generic HEIF counts as HEIC: phones use its brands for HEVC images.
    """
    found = brands(start)
    return bool(found & _BRANDS) or (bool(found & _ANY_CODEC) and not found & _OTHER_CODECS)


_FIXED_SECONDS, _SECONDS_PER_MEGAPIXEL = 5.0, 0.5
"""Time limit of the process: about ten times what decoding takes on one busy core."""

_FIXED_CPU_SECONDS, _CPU_SECONDS_PER_MEGAPIXEL = 0.5, 0.25
"""CPU time limit of the process: about six times what decoding takes. It bounds the cost of a file on which the decoder
never ends, however busy the machine is."""

_FIXED_BYTES, _BYTES_PER_PIXEL = 512 << 20, 40
"""Memory limit of the process: about twice what decoding takes."""

_CHARGED_PER_PIXEL, _CHARGED_PER_BYTE, _CHARGED_PER_PROCESS = 22, 1, 24 << 20
"""Memory that decoding takes in both processes: per pixel, per byte of data in addition to what is charged for every
format, and for the interpreter and the libraries of the other process."""

_UNSUPPORTED = 3
_SAMPLES = {"L": (1, "u1"), "I;16": (1, "<u2"), "BGR": (3, "u1"), "BGRA": (4, "u1"), "BGRa": (4, "u1")}
"""Channels and sample type of each mode; gray images with more than 8 bits are decoded to 16."""

# Calls the extension module below pi-heif's own classes, which read every kind of metadata when they open a file. The
# arguments: one thread, 8 bits per sample in BGR order without gaps between rows, libheif's default decoder, its
# security limits enabled.
_DECODE = f"""
import sys
try:
    import resource, signal
    signal.setitimer(signal.ITIMER_PROF, float(sys.argv[2]))
    resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]),) * 2)
except (ImportError, AttributeError, OSError, ValueError):  # no such limit on this system, or a lower one already
    pass
import _pi_heif
try:
    images = _pi_heif.load_file(sys.stdin.buffer.read(), 1, True, True, True, True, "", False)
    image = next(each for each in images if each is not None and each.primary)
    (width, height), mode = image.size_mode
    pixels = image.data
except SyntaxError:
    sys.exit({_UNSUPPORTED})
except Exception:
    sys.exit(1)
sys.stdout.buffer.write(f"{{width}} {{height}} {{image.stride}} {{mode}}\\n".encode())
sys.stdout.buffer.write(pixels)
"""


def dimensions(data: bytes) -> tuple[int, int, int]:
    """Returns width and height of the upright image, and orientation 1: libheif rotates the image itself.

    Raises:
        UnsupportedFormat: The package that decodes HEIC is not installed.
        CorruptImage: The header is damaged.
    """
    if not is_installed():
        raise UnsupportedFormat(
            "HEIC needs an optional package that this service is installed without, face-comparison[heif]: "
            "send the image as JPG, PNG or WebP"
        )
    image = primary_image(data)
    if image.shown_width > image.width or image.shown_height > image.height:
        raise CorruptImage("the HEIC is cropped to more than it holds")
    size = image.shown_width, image.shown_height
    return (*(size[::-1] if image.orientation in SWAPPED_ORIENTATIONS else size), 1)


def bytes_per_pixel(data: bytes) -> float:
    """Returns the memory that decoding takes, in bytes per pixel."""
    width, height, _ = dimensions(data)
    return _CHARGED_PER_PIXEL + (_CHARGED_PER_PROCESS + _CHARGED_PER_BYTE * len(data)) / max(1, width * height)


def pixels(data: bytes, width: int, height: int, reduce: int) -> NDArray[np.uint8]:
    """Decodes to (H, W, 3) uint8 RGB, upright; `reduce` is not used."""
    status, output = _run(bytes(data), width * height)
    if status == _UNSUPPORTED:
        raise UnsupportedFormat("this kind of HEIC is not supported: send the image as JPG, PNG or WebP")
    head, _, content = output.partition(b"\n")
    fields = head.decode("ascii", "replace").split()
    if status or len(fields) != 4:
        raise CorruptImage("the HEIC is damaged or ends early")
    columns, rows, stride = (int(number) if number.isdigit() else 0 for number in fields[:3])
    channels, sample = _SAMPLES.get(fields[3], (0, "u1"))
    if not channels:
        raise UnsupportedFormat("this kind of HEIC is not supported: send the image as JPG, PNG or WebP")
    if not columns or not rows or len(content) != rows * stride:
        raise CorruptImage("the HEIC is damaged or ends early")
    decoded = np.frombuffer(content, sample).reshape(rows, -1, channels)[:, :columns]
    if abs(columns - width) > 1 or abs(rows - height) > 1:
        raise CorruptImage("the HEIC's pixels are not as many as its header says")
    pixels = on_white(decoded[:, :, 0] if channels == 1 else decoded)
    if pixels.shape[:2] != (height, width):  # a crop to fractions of a pixel may be rounded up or down
        pixels = np.asarray(cv2.resize(pixels, (width, height)), np.uint8)
    return pixels


def _run(data: bytes, size: int) -> tuple[int, bytes]:
    """Decodes an image of `size` pixels in a process and returns its exit status and output.

    The process is killed if the request is cancelled.

    Raises:
        CorruptImage: Decoding takes too long.
    """
    memory = _FIXED_BYTES + _BYTES_PER_PIXEL * size
    processor_time = _FIXED_CPU_SECONDS + _CPU_SECONDS_PER_MEGAPIXEL * size / 1e6
    command = [sys.executable, "-I", "-c", _DECODE, str(memory), str(processor_time)]
    pipe = subprocess.PIPE
    with (
        subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL) as process,
        cancellation.on_cancel(process.kill),
    ):
        try:
            output, _ = process.communicate(data, _FIXED_SECONDS + _SECONDS_PER_MEGAPIXEL * size / 1e6)
        except subprocess.TimeoutExpired:
            raise _endless() from None
        finally:
            process.kill()  # no effect on a process that has ended
    cancellation.check()
    out_of_time = getattr(signal, "SIGPROF", None)  # Windows has no such signal
    if out_of_time and process.returncode == -out_of_time:
        raise _endless()
    return process.returncode, output


def _endless() -> CorruptImage:
    return CorruptImage("the HEIC is damaged: it cannot be decoded in a reasonable time")
