"""Adds ``crysmm_attn.pth`` to what is installed; everything else is in setup.cfg.

The start-up file is what makes the flag in a host's config enough (see ``crysmm_attn_plugin/startup.py``). setup.cfg
cannot say "a file beside the packages", so two build commands put it there: one for wheels, one for editable installs.
"""

import base64
import hashlib
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.editable_wheel import editable_wheel

NAME = "crysmm_attn.pth"
#: One line, because Python reads start-up files line by line; silent where the package was moved or removed since.
LINE = (
    'import sys; exec("try:\\n from crysmm_attn_plugin.startup import start\\nexcept Exception:\\n pass\\n'
    'else:\\n start()")\n'
)


class BuildWithStartup(build_py):
    """Lays the start-up file beside the packages of a wheel."""

    def run(self):
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib, NAME)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(LINE)

    def get_outputs(self, include_bytecode=True):
        own = [] if self.editable_mode else [str(Path(self.build_lib, NAME))]
        return super().get_outputs(include_bytecode) + own


class EditableWithStartup(editable_wheel):
    """Adds the start-up file to the wheel that an editable install unpacks."""

    def run(self):
        super().run()
        for wheel in Path(self.dist_dir).glob("*editable*.whl"):
            add_to_wheel(wheel)


def add_to_wheel(wheel):
    """Add the start-up file to a wheel (a zip archive with a RECORD of its files)."""
    with ZipFile(wheel) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    record = next(name for name in members if name.endswith(".dist-info/RECORD"))
    digest = base64.urlsafe_b64encode(hashlib.sha256(LINE.encode()).digest()).rstrip(b"=").decode()
    members[record] = f"{NAME},sha256={digest},{len(LINE)}\n".encode() + members[record]
    with ZipFile(wheel, "w", ZIP_DEFLATED) as archive:
        for name, content in {NAME: LINE.encode(), **members}.items():
            archive.writestr(name, content)


setup(cmdclass={"build_py": BuildWithStartup, "editable_wheel": EditableWithStartup})
