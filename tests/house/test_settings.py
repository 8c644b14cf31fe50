import re
from pathlib import Path

from kalends import demo
from kalends.settings import Settings

ROOT = Path(__file__).parents[2]


def test_every_setting_is_in_the_example_with_its_default_and_meaning() -> None:
    text = (ROOT / ".env.example").read_text()
    documented = re.findall(r"# (.+)\n(KALENDS_\w+)=(.*)\n", text)
    expected = [
        (field.description, f"KALENDS_{name.upper()}", str(field.default if field.default != () else ""))
        for name, field in Settings.model_fields.items()
    ]
    assert documented == expected


def test_the_readme_has_every_setting_in_the_same_order() -> None:
    rows = re.findall(r"^\| (`KALENDS_.+?) \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    documented = [name for row in rows for name in re.findall(r"`(KALENDS_\w+)`", row)]
    assert documented == [f"KALENDS_{name.upper()}" for name in Settings.model_fields]


def test_origins_are_separated_by_commas() -> None:
    settings = Settings(cors_origins="https://a.example/, https://b.example")
    assert settings.cors_origins == ("https://a.example", "https://b.example")


def test_the_readmes_curl_is_the_demos_own() -> None:
    assert f"```bash\n{demo.curl('http://127.0.0.1:8000')}\n```" in (ROOT / "README.md").read_text()
