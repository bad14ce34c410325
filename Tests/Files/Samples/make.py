#!/usr/bin/env python3
"""Writes the sample files of this folder with real tools. Needs: pip install pillow pillow-heif; ffmpeg; zip.

    python3 Tests/Storage/Samples/make.py
"""
import io, os, subprocess, sys, zipfile
from PIL import Image, ImageDraw, PngImagePlugin
import pillow_heif

pillow_heif.register_heif_opener()
here = os.path.dirname(os.path.abspath(__file__))
def path(name): return os.path.join(here, name)

picture = Image.new("RGB", (48, 32), (200, 220, 255))
draw = ImageDraw.Draw(picture)
draw.ellipse((8, 4, 40, 28), fill=(220, 40, 60))
draw.line((0, 31, 47, 0), fill=(10, 90, 30), width=3)
second = picture.rotate(180)

info = PngImagePlugin.PngInfo()
info.add_text("Title", "A red disc")
picture.save(path("rgb.png"), pnginfo=info)
picture.convert("P").save(path("palette.png"))
picture.save(path("animated.png"), save_all=True, append_images=[second])
picture.save(path("baseline.jpg"), quality=80)
picture.save(path("progressive.jpg"), quality=80, progressive=True)
exif = Image.Exif(); exif[0x010F] = "Camera"; exif[0x0110] = "Model"
picture.save(path("exif.jpg"), exif=exif)
picture.save(path("preview.mpo"), format="MPO", save_all=True, append_images=[second])
os.replace(path("preview.mpo"), path("two_pictures.jpg"))
picture.save(path("still.gif"))
picture.save(path("moving.gif"), save_all=True, append_images=[second], duration=100, loop=0)
picture.save(path("lossy.webp"), quality=60)
picture.save(path("lossless.webp"), lossless=True)
picture.save(path("moving.webp"), save_all=True, append_images=[second])
picture.convert("RGBA").save(path("alpha.webp"), exif=exif)
picture.resize((64, 64)).save(path("still.heic"), quality=50)
try: picture.resize((64, 64)).save(path("still.avif"), quality=50)
except Exception as error: print("no AVIF:", error)
picture.save(path("page.pdf"))

def ffmpeg(*args):
    subprocess.run(["ffmpeg", "-v", "error", "-y", *args], check=True)
tone = ["-f", "lavfi", "-i", "sine=frequency=440:duration=0.2"]
film = ["-f", "lavfi", "-i", "testsrc=size=64x48:rate=5:duration=1"]
ffmpeg(*tone, "-ac", "1", "-ar", "8000", path("tone.wav"))
ffmpeg(*tone, "-ac", "1", "-c:a", "libvorbis", path("tone.ogg"))
ffmpeg(*tone, "-ac", "1", "-c:a", "libopus", path("tone.opus"))
ffmpeg(*tone, "-ac", "1", "-b:a", "32k", path("tone.mp3"))
ffmpeg(*tone, "-ac", "1", path("tone.flac"))
ffmpeg(*tone, "-ac", "1", path("tone.m4a"))
ffmpeg(*film, "-pix_fmt", "yuv420p", path("film.mp4"))
ffmpeg(*film, "-pix_fmt", "yuv420p", "-movflags", "+faststart", path("faststart.mp4"))
ffmpeg(*film, "-pix_fmt", "yuv420p", "-movflags", "frag_keyframe+empty_moov", path("fragments.mp4"))
ffmpeg(*film, "-pix_fmt", "yuv420p", path("film.mov"))
ffmpeg(*film, "-c:v", "libvpx", "-b:v", "40k", path("film.webm"))
# A motion photo: the film stands behind the picture.
with open(path("baseline.jpg"), "rb") as a, open(path("film.mp4"), "rb") as b, open(path("motion.jpg"), "wb") as out:
    out.write(a.read() + b.read())
# What Samsung cameras put behind the picture.
name = b"Image_UTC_Data"
block = b"\0\0\x01\x0a" + len(name).to_bytes(4, "little") + name + b"1458170015363"
entry = b"\0\0\x01\x0a" + len(block).to_bytes(4, "little") * 2
directory = b"SEFH" + (107).to_bytes(4, "little") + (1).to_bytes(4, "little") + entry
with open(path("baseline.jpg"), "rb") as a, open(path("samsung.jpg"), "wb") as out:
    out.write(a.read() + block + directory + len(directory).to_bytes(4, "little") + b"SEFT")

text = ("The quick brown fox jumps over the lazy dog. " * 30).encode()
with zipfile.ZipFile(path("deflated.zip"), "w", zipfile.ZIP_DEFLATED) as z:
    z.writestr("a.txt", text); z.writestr("folder/b.txt", b"b"); z.comment = b"A comment"
with zipfile.ZipFile(path("stored.zip"), "w") as z: z.writestr("a.txt", text[:100])
with open(path("stored.zip"), "rb") as inner, zipfile.ZipFile(path("nested.zip"), "w") as z:
    z.writestr("inner.zip", inner.read()); z.writestr("c.txt", b"c")
with open(path("streamed.zip"), "wb") as out:
    class OneWay(io.RawIOBase):
        def writable(self): return True
        def write(self, data): return out.write(data)
    with zipfile.ZipFile(OneWay(), "w", zipfile.ZIP_DEFLATED) as z: z.writestr("a.txt", text)
with zipfile.ZipFile(path("wide.zip"), "w", zipfile.ZIP_DEFLATED) as z:
    with z.open(zipfile.ZipInfo("a.txt"), "w", force_zip64=True) as f: f.write(text)
with zipfile.ZipFile(path("empty.zip"), "w"): pass
subprocess.run(["bash", "-c", "printf 'hello hello hello' | zip -q - - > piped.zip"], cwd=here, check=False)
types = b'<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'
for name, folder, part in [("letter.docx", "word", "document.xml"), ("table.xlsx", "xl", "workbook.xml"), ("talk.pptx", "ppt", "presentation.xml")]:
    with zipfile.ZipFile(path(name), "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("[Content_Types].xml", types); z.writestr("_rels/.rels", b"<Relationships/>"); z.writestr(f"{folder}/{part}", b"<x/>")
with open(path("plain.txt"), "wb") as out: out.write("Grüße an 日本語 und 🎉\r\n".encode() * 40)
with open(path("table.csv"), "wb") as out: out.write(b"id,name\n" + b"".join(b"%d,row %d\n" % (i, i) for i in range(80)))
for name in sorted(os.listdir(here)): print(name, os.path.getsize(path(name)))
