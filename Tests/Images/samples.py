#!/usr/bin/env python3
"""Makes the pictures in Samples/. Needs Pillow, exiftool and the vips command with an HEVC encoder (Debian: python3-pil
libimage-exiftool-perl libvips-tools). The pictures are four coloured quarters: red, green / blue, white."""
import pathlib, struct, subprocess, zlib
from PIL import Image, ImageCms

out = pathlib.Path(__file__).parent / "Samples"
out.mkdir(exist_ok=True)


def quarters(width, height, mode="RGB"):
    image = Image.new(mode, (width, height), "white")
    image.paste((255, 0, 0), (0, 0, width // 2, height // 2))
    image.paste((0, 160, 0), (width // 2, 0, width, height // 2))
    image.paste((0, 0, 255), (0, height // 2, width // 2, height))
    return image


plain = quarters(400, 300)
plain.save(out / "plain.jpg", quality=90, icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
plain.save(out / "plain.webp", quality=90)
plain.convert("CMYK").save(out / "cmyk.jpg", quality=90)
plain.save(out / "progressive.jpg", quality=90, progressive=True)
clear = quarters(400, 300, "RGBA")
clear.putpixel((0, 0), (0, 0, 0, 0))
clear.paste((0, 0, 0, 0), (200, 150, 400, 300))
clear.save(out / "clear.png")
frames = [quarters(200, 150).rotate(90 * turn) for turn in range(3)]
frames[0].save(out / "moving.gif", save_all=True, append_images=frames[1:], duration=100, loop=0)
Image.new("RGB", (40, 40), (0, 0, 255)).save(out / "blue.gif")
# Stored lying on its side: 300 by 400 when upright, with red at the upper right.
plain.save(out / "turned.jpg", quality=90)
subprocess.run(
    ["exiftool", "-q", "-overwrite_original", "-n", "-Orientation=6", "-GPSLatitude=52.52", "-GPSLatitudeRef=N", "-GPSLongitude=13.4",
     "-GPSLongitudeRef=E", "-Make=SecretCamera", "-XMP:Creator=SecretPerson", "-IPTC:Keywords=SecretWord", "-Comment=SecretComment",
     str(out / "turned.jpg")], check=True)
subprocess.run(["vips", "heifsave", out / "plain.jpg", out / "plain.avif", "--compression", "av1", "--Q", "80"], check=True)
subprocess.run(["vips", "heifsave", out / "plain.jpg", out / "plain.heic", "--compression", "hevc", "--Q", "80"], check=True)


def png(path, width, height, depth, colour, interlaced, rows):
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    squeeze = zlib.compressobj(9)
    data = b"".join(squeeze.compress(row) for row in rows) + squeeze.flush()
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b""))


# 900 million pixels, all zero.
png(out / "bomb.png", 30000, 30000, 1, 0, 0, (bytes(1 + 3750) for _ in range(30000)))
# Few enough pixels, but all must be in memory at once, in eight bytes each; they do not come.
png(out / "heavy.png", 10000, 9900, 16, 6, 1, [bytes(1000)])
