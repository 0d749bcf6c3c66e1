"""A folder as kubelet keeps it for a Secret or a projected volume."""

from pathlib import Path


class Volume:
    """`folder/name` -> `..data/name` -> `..VERSION/name`; a new version replaces `..data` in one rename."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.version = 0
        self.current: Path | None = None

    def write(self, **files: bytes) -> None:
        """Put a whole new version in place, and remove the old one, as kubelet does."""
        self.version += 1
        new = self.folder / f"..2026_11_23_{self.version}"
        new.mkdir()
        for name, content in files.items():
            (new / name).write_bytes(content)
        data = self.folder / "..data_tmp"
        data.symlink_to(new.name)
        data.rename(self.folder / "..data")
        for name in files:
            link = self.folder / name
            if not link.is_symlink():
                link.symlink_to(f"..data/{name}")
        if self.current is not None:
            for file in self.current.iterdir():
                file.unlink()
            self.current.rmdir()
        self.current = new

    def __getattr__(self, name: str) -> str:
        return str(self.folder / name)
