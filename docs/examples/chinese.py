"""A shop whose texts are Chinese: train a multilingual encoder on it, export, serve, recommend.

python docs/examples/chinese.py shop FOLDER

FOLDER is a multilingual encoder (docs/languages.md). The shop is made up: 400 products and 300 customers, who like what
fits what they do, in the kinds of things that they buy. Further arguments go to `emberline train`.
"""

import csv
import json
import random
import subprocess
import sys
from pathlib import Path

DESCRIPTION = """\
name = "shangdian"

[data]

[item]
file = "products.csv"
id = "编号"
labels = ["类别", "适合"]

[item.fields]
"标题" = { kind = "text" }
"类别" = { kind = "text" }
"适合" = { kind = "list", separator = "、" }
"价格" = { kind = "number" }

[user]
file = "customers.csv"
id = "顾客"

[user.fields]
"职业" = { kind = "text" }
"兴趣" = { kind = "text" }

[interaction]
file = "ratings.csv"
user = "顾客"
item = "编号"
rating = "评分"
timestamp = "时间"
positive = "rating >= 4"
"""

#: What suits people who do something, and what they say of themselves.
THEMES = {
    "运动": (("防水", "防汗", "轻量", "户外", "减震", "速干"), ("健身教练", "护士"), ("跑步", "登山", "骑行")),
    "办公": (("便携", "商务", "降噪", "快充", "护眼", "简约"), ("工程师", "律师"), ("出差", "阅读", "写作")),
    "居家": (("静音", "大容量", "节能", "智能", "易清洗", "实木"), ("会计", "厨师"), ("做饭", "园艺", "手工")),
    "校园": (("平价", "迷你", "可爱", "折叠", "多彩", "耐摔"), ("学生", "教师"), ("动漫", "游戏", "追剧")),
}
CATEGORIES = {
    "数码": ("蓝牙耳机", "智能手表", "充电宝", "蓝牙音箱", "机械键盘"),
    "家居": ("台灯", "保温杯", "收纳箱", "电水壶", "加湿器"),
    "服饰": ("双肩包", "运动鞋", "雨衣", "帽子", "手套"),
}
BRANDS = ("华声", "云杉", "小鹿", "极光", "远山", "青禾", "北辰", "乐途")
STYLES = ("新款", "经典", "升级版", "限量", "基础款", "专业版", "青春版", "礼盒装")


def write_data(folder: Path, products: int = 400, customers: int = 300, ratings: int = 40) -> Path:
    """Write products, customers and ratings; gives the description's file."""
    rng = random.Random(0)
    goods = []
    for number in range(products):
        theme, category = rng.choice(list(THEMES)), rng.choice(list(CATEGORIES))
        suits = rng.sample(THEMES[theme][0], 2)
        title = f"{rng.choice(BRANDS)}{suits[0]}{rng.choice(CATEGORIES[category])} {suits[1]} {rng.choice(STYLES)}"
        # What a product suits is told in half of the rows, as shops do; the title tells it in all of them.
        told = "、".join([rng.choice(list(THEMES)), theme]) if rng.random() < 0.5 else ""
        goods.append(((f"p{number}", title, category, told, rng.randrange(20, 900)), theme))
    people, rows = [], []
    for number in range(customers):
        theme, liked = rng.choice(list(THEMES)), rng.sample(list(CATEGORIES), 2)
        _, works, hobbies = THEMES[theme]
        people.append((f"u{number}", rng.choice(works), "和".join(rng.sample(hobbies, 2))))
        fits = [(suits_theme == theme) + (good[2] in liked) for good, suits_theme in goods]
        # People look at what might suit them, but not at that alone.
        drawn = sorted(range(len(goods)), key=lambda place: rng.random() ** (1, 1 / 2, 1 / 6)[fits[place]])[-ratings:]
        for time, place in enumerate(rng.sample(drawn, len(drawn))):
            good, likes = goods[place][0], rng.random() < (0.05, 0.25, 0.9)[fits[place]]
            rows.append((f"u{number}", good[0], rng.choice((4, 5)) if likes else rng.choice((1, 2, 3)), 1000 + time))
    tables = {
        "products": [("编号", "标题", "类别", "适合", "价格"), *(good for good, _ in goods)],
        "customers": [("顾客", "职业", "兴趣"), *people],
        "ratings": [("顾客", "编号", "评分", "时间"), *rows],
    }
    for name, table in tables.items():
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(table)
    (folder / "shop.toml").write_text(DESCRIPTION, encoding="utf-8")
    return folder / "shop.toml"


def emberline(*command: object) -> str:
    """Run a command of the program, as one would type it; if it fails, its message is the last word."""
    print("$ emberline", *command, flush=True)
    done = subprocess.run(["emberline", *map(str, command)], stdout=subprocess.PIPE, text=True, check=False)
    print(done.stdout, end="", flush=True)
    if done.returncode:
        sys.exit(done.returncode)
    return done.stdout


def serve_and_ask(bundle: Path) -> None:
    """Serve a bundle, add a product that nobody has seen, and ask for a customer whom nobody knows."""
    command = ["emberline", "serve", str(bundle), "--listen", "127.0.0.1:0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        address = _address(server)
        new = {"标题": "远山防水双肩包 户外 新款", "类别": "服饰", "价格": 299}
        item = bundle.parent / "new.jsonl"
        item.write_text(json.dumps({"id": "new-1", "attributes": new}, ensure_ascii=False) + "\n", encoding="utf-8")
        emberline("items", "upsert", item, "--server", address)
        emberline("recommend", "--about", "职业=健身教练", "--about", "兴趣=跑步和登山", "-k", 5, "--server", address)
    finally:
        server.terminate()
        server.wait()


def _address(server: subprocess.Popen[str]) -> str:
    """Where a server listens: the one line on its output says so and ends with it."""
    assert server.stdout is not None
    line = server.stdout.readline()
    if not line:
        sys.exit("the server ended before it listened")
    print(line, end="", flush=True)
    return line.split()[-1]


def main(folder: Path, encoder: str, *options: str) -> None:
    """The whole way, in one folder."""
    folder.mkdir(parents=True)
    description = write_data(folder)
    given = ("--encoder", encoder, "--vocabulary", 20000)
    emberline("train", folder / "run", "--description", description, *given, *options)
    emberline("export", folder / "run", folder / "bundle")
    serve_and_ask(folder / "bundle")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
