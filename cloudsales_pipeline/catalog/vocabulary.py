"""Words of the trade that mean the same in the languages that listings come in: colours, shades, kinds of goods, sizes.

Facts only; how they are read stands in wording.py. All words are folded: lower case, without accents. Romanian wins where a
word means two things (`bleu` is light blue in Romanian, blue in French).
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_COLOURS = {
    "black": "negru neagra neagru negre negri noir noire schwarz zwart nero nera negro negra czarny preto",
    "white": "alb alba albe albi blanc blanche weiss wit bianco bianca blanco blanca bialy branco",
    "blue": "albastru albastra albastre azul blau blauw blu bleue niebieski royal",
    "red": "rosu rosie rosii rouge rot rood rosso rossa rojo roja czerwony vermelho karminrot carmin",
    "green": "verde verzi vert verte grun gruen groen zielony",
    "yellow": "galben galbena galbene jaune gelb geel giallo gialla amarillo amarilla zolty volt",
    "grey": "gri gray gris grise grau grijs grigio grigia szary anthracite antracit charcoal anthrazit",
    "pink": "roz rose rosa roze rozowy fucsia fuchsia",
    "orange": "portocaliu portocalie portocalii oranje arancione arancio naranja laranja pomaranczowy",
    "purple": "mov violet violeta purpuriu lila lilac lila paars viola morado fioletowy violette",
    "brown": "maro maron brun braun bruin marrone marron brazowy castanho cafeniu tan cognac coniac camel",
    "beige": "bej nude sand",
    "khaki": "kaki olive oliv masliniu",
    "turquoise": "turcoaz turkis tuerkis turkoois turchese turquesa teal",
    "gold": "auriu aurie aurii golden or oro goud",
    "silver": "argintiu argintie argintii argent silber zilver argento plata srebrny",
    "multicolour": "multicolor multicolora multicolore multi",
}
_SHADED = {
    "bleumarin": ("blue", "dark"),
    "navy": ("blue", "dark"),
    "marine": ("blue", "dark"),
    "bleu": ("blue", "light"),
    "bordo": ("red", "dark"),
    "burgundy": ("red", "dark"),
    "bordeaux": ("red", "dark"),
    "visiniu": ("red", "dark"),
    "grena": ("red", "dark"),
    "maroon": ("red", "dark"),
    "crem": ("white", "off"),
    "cream": ("white", "off"),
    "ecru": ("white", "off"),
    "ivory": ("white", "off"),
    "ivoire": ("white", "off"),
    "ivoriu": ("white", "off"),
    "piersica": ("orange", "light"),
    "peach": ("orange", "light"),
}
COLOURS: dict[str, tuple[str, str]] = {
    **{word: (colour, "") for colour, words in _COLOURS.items() for word in (colour, *words.split())},
    **_SHADED,
}
"""A word → (colour, shade); the shade is empty, dark, light or off."""

SHADES = {
    word: shade
    for shade, words in {
        "dark": "dark inchis inchisa deep dunkel donker fonce foncee scuro oscuro ciemny",
        "light": "light deschis deschisa pale pal hell licht clair claire chiaro claro jasny",
        "off": "off murdar",
    }.items()
    for word in words.split()
}

KINDS = {
    word: kind
    for kind, words in {
        "dress": "rochie rochii robe kleid vestido",
        "shirt": "camasa camasi chemise hemd",
        "sweater": "pulover pulovere jumper",
        "tshirt": "tricou tricouri tee",
        "trousers": "pantaloni pantalon pants hose",
        "jeans": "blugi",
        "skirt": "fusta fuste jupe rock",
        "jacket": "geaca geci jacheta jachete veste jacke",
        "coat": "palton paltoane manteau mantel",
        "blazer": "sacou sacouri",
        "leggings": "colanti tights",
        "top": "maiou maieu topuri tank vest",
        "blouse": "bluza bluze bluse",
        "hoodie": "hanorac hanorace sweatshirt",
        "bra": "sutien sutiene bh",
        "shorts": "bermude",
        "socks": "sosete ciorapi socken chaussettes",
        "shoes": "pantofi incaltaminte schuhe chaussures schoenen scarpe buty zapatos shoe sneakers trainers",
        "boots": "ghete cizme bocanci stiefel",
        "bag": "geanta genti sac tasche",
        "belt": "curea centura",
        "hat": "palarie sapca caciula cap",
        "scarf": "esarfa fular",
        "swimwear": "slip baie bikini swimsuit inot",
        "underwear": "chiloti lenjerie tanga briefs",
        "pyjamas": "pijama pijamale pyjama",
        "cardigan": "cardigane",
        "jumpsuit": "salopeta playsuit",
        "polo": "",
    }.items()
    for word in (kind, *words.split())
}
"""A word → the kind of goods it names, in English."""

SIZE_MARKS = _words("marime marimea marimi masura size taille grosse groesse talla taglia maat eu eur")
"""What stands before a size."""

LETTER_SIZES = {
    word: size
    for size, words in {
        "xxs": "2xs",
        "xs": "",
        "s": "small",
        "m": "medium",
        "l": "large",
        "xl": "",
        "xxl": "2xl",
        "xxxl": "3xl",
        "xxxxl": "4xl",
        "xxxxxl": "5xl",
        "one": "onesize os universala universal unica u tu",
    }.items()
    for word in (size, *words.split())
}
"""A size in letters → the way we write it."""

FILLERS = _words(
    "de din cu si la pe in pentru the a an and of for with by to on at is un o le les des du et pour avec der die das und mit"
    " fur von il di da per e y con para van en het voor"
)
"""Words that say nothing about which product it is."""

AUDIENCES = {
    word: audience
    for audience, words in {
        "men": "men mens man homme hommes herren heren barbati barbat uomo hombre meskie herrenschuhe",
        "women": "women womens woman ladies lady femme femmes damen dames femei dama donna mujer damskie wmns damenschuhe",
        "children": "kids kid junior jr juniors boys girls boy girl enfant enfants kinder kinderen copii fete baieti bambino"
        " bambini ninos nino dzieciece youth toddler infant gs",
    }.items()
    for word in words.split()
}
"""A word → for whom it is made."""
