"""The words that the generated fashion is made of: garments, cuts, materials, colours, sizes, brands, sentences.

What belongs here: data, agreed in gender and number by hand because Romanian can't be glued together. What does not: any
choice between them (`fashion`) and any drawing (`pictures`). Brands and collections are invented.
"""

from __future__ import annotations

from typing import NamedTuple


class Garment(NamedTuple):
    """A type of garment and all that depends on it; prices in whole RON from, to."""

    noun: str
    prefix: str
    category: str
    scale: str
    silhouette: str
    cuts: tuple[str, ...]
    materials: tuple[str, ...]
    prices: tuple[int, int]


ALPHA = ("XS", "S", "M", "L", "XL", "XXL")
SCALES: dict[str, tuple[str, ...]] = {
    "alpha": ALPHA,
    "number": ("34", "36", "38", "40", "42", "44", "46"),
    "shoes_women": ("35", "36", "37", "38", "39", "40", "41"),
    "shoes_men": ("40", "41", "42", "43", "44", "45", "46"),
    "shoes_kids": ("24", "25", "26", "27", "28", "29", "30", "31"),
    "kids": ("2-3 ani", "4-5 ani", "6-7 ani", "8-9 ani", "10-11 ani", "12-13 ani"),
    "baby": ("0-3 luni", "3-6 luni", "6-9 luni", "9-12 luni", "12-18 luni"),
    "one": ("Unic",),
}

# id, name, parent: the tree that the garments' categories name.
CATEGORIES: tuple[tuple[str, str, str | None], ...] = (
    ("10", "Femei", None),
    ("20", "Bărbați", None),
    ("30", "Copii", None),
    ("40", "Accesorii", None),
    ("1001", "Îmbrăcăminte", "10"),
    ("1002", "Încălțăminte", "10"),
    ("2001", "Îmbrăcăminte", "20"),
    ("2002", "Încălțăminte", "20"),
    ("100101", "Rochii", "1001"),
    ("100102", "Bluze și cămăși", "1001"),
    ("100103", "Fuste", "1001"),
    ("100104", "Pantaloni și blugi", "1001"),
    ("100105", "Geci și paltoane", "1001"),
    ("100106", "Tricotaje", "1001"),
    ("100201", "Pantofi", "1002"),
    ("100202", "Ghete și cizme", "1002"),
    ("100203", "Sandale", "1002"),
    ("200101", "Cămăși", "2001"),
    ("200102", "Tricouri", "2001"),
    ("200103", "Pantaloni și blugi", "2001"),
    ("200104", "Geci și paltoane", "2001"),
    ("200105", "Tricotaje", "2001"),
    ("200201", "Pantofi", "2002"),
    ("200202", "Ghete", "2002"),
    ("3001", "Fete", "30"),
    ("3002", "Băieți", "30"),
    ("3003", "Bebeluși", "30"),
    ("3004", "Încălțăminte copii", "30"),
    ("4001", "Genți", "40"),
    ("4002", "Eșarfe și fulare", "40"),
    ("4003", "Căciuli și pălării", "40"),
    ("4004", "Curele", "40"),
)

_LIGHT = ("in", "bumbac organic", "viscoză", "muselină", "satin", "lyocell")
_KNIT = ("lână merinos", "bumbac pieptănat", "cașmir", "alpaca", "amestec de lână")
_DENIM = ("denim elastic", "denim brut", "denim reciclat", "denim prespălat")
_WARM = ("lână fiartă", "stofă de lână", "fâș matlasat", "catifea reiată", "softshell")
_LEATHER = ("piele naturală", "piele întoarsă", "piele ecologică", "nubuc")

GARMENTS: tuple[Garment, ...] = (
    Garment("Rochie", "RCH", "100101", "number", "dress",
            ("midi plisată", "maxi cu volane", "mini evazată", "midi petrecută", "tip cămașă", "cambrată cu cordon",
             "lungă cu decolteu în V", "dreaptă cu mâneci bufante"), _LIGHT, (129, 459)),
    Garment("Rochie tricotată", "RCT", "100101", "alpha", "dress",
            ("midi cu guler înalt", "scurtă cu torsade", "cambrată cu nervuri"), _KNIT, (159, 399)),
    Garment("Cămașă", "CMF", "100102", "number", "shirt",
            ("oversize", "cambrată", "cu jabou", "cu guler tunică", "cu mâneci trei sferturi"), _LIGHT, (99, 249)),
    Garment("Bluză", "BLZ", "100102", "alpha", "top",
            ("cu mâneci clopot", "cu umerii goi", "cu nasturi la spate", "cu broderie", "petrecută"), _LIGHT, (79, 199)),
    Garment("Fustă", "FST", "100103", "number", "skirt",
            ("creion", "midi plisată", "clini", "cu nasturi", "mini cu buzunare"), (*_LIGHT, "denim elastic"), (89, 229)),
    Garment("Blugi", "BLF", "100104", "number", "trousers",
            ("mom fit", "slim fit", "evazați", "cu talie înaltă", "drepți cropped"), _DENIM, (119, 279)),
    Garment("Pantaloni", "PNF", "100104", "number", "trousers",
            ("palazzo", "conici cu pense", "culotte", "cu cordon"), _LIGHT, (109, 259)),
    Garment("Geacă", "GCF", "100105", "alpha", "jacket",
            ("matlasată", "scurtă cu glugă", "biker", "lungă cu cordon"), _WARM, (229, 699)),
    Garment("Palton", "PLF", "100105", "number", "coat",
            ("la două rânduri", "oversize", "cu cordon", "cambrat"), ("stofă de lână", "lână fiartă", "cașmir"), (349, 999)),
    Garment("Pulover", "PLV", "100106", "alpha", "top",
            ("cu torsade", "cu decolteu în V", "cu guler rulat", "supradimensionat"), _KNIT, (129, 349)),
    Garment("Cardigan", "CRD", "100106", "alpha", "shirt",
            ("lung", "scurt cu nasturi", "cu buzunare aplicate"), _KNIT, (139, 329)),
    Garment("Pantofi", "PTF", "100201", "shoes_women", "shoe",
            ("stiletto", "cu toc bloc", "balerini", "loafer", "slingback"), _LEATHER, (169, 449)),
    Garment("Cizme", "CZM", "100202", "shoes_women", "boot",
            ("înalte", "până la genunchi", "cu platformă"), _LEATHER, (299, 799)),
    Garment("Sandale", "SND", "100203", "shoes_women", "shoe",
            ("cu barete subțiri", "cu platformă", "cu toc mediu"), _LEATHER, (129, 349)),
    Garment("Cămașă", "CMB", "200101", "alpha", "shirt",
            ("slim fit", "regular fit", "cu guler button-down", "cu guler tunică"), ("in", "bumbac Oxford", "poplin",
             "bumbac organic"), (109, 269)),
    Garment("Tricou", "TRC", "200102", "alpha", "top",
            ("polo", "cu guler rotund", "henley", "slim fit", "oversize"), ("bumbac organic", "bumbac pima", "jerseu"),
             (49, 149)),
    Garment("Blugi", "BLB", "200103", "number", "trousers",
            ("slim fit", "drepți", "tapered", "regular fit"), _DENIM, (129, 299)),
    Garment("Pantaloni", "PNB", "200103", "number", "trousers",
            ("chino", "cargo", "de stofă cu dungă", "jogger"), ("bumbac elastic", "stofă de lână", "in"), (119, 289)),
    Garment("Geacă", "GCB", "200104", "alpha", "jacket",
            ("bomber", "matlasată", "parka", "de ploaie"), _WARM, (249, 749)),
    Garment("Hanorac", "HNR", "200105", "alpha", "jacket",
            ("cu glugă", "cu fermoar", "cu buzunar kangaroo"), ("bumbac flaușat", "bumbac organic"), (119, 259)),
    Garment("Pantofi", "PTB", "200201", "shoes_men", "shoe",
            ("Oxford", "Derby", "mocasini", "sport"), _LEATHER, (199, 549)),
    Garment("Ghete", "GHT", "200202", "shoes_men", "boot",
            ("chelsea", "cu șireturi", "îmblănite"), _LEATHER, (249, 649)),
    Garment("Rochiță", "RCF", "3001", "kids", "dress",
            ("cu tulle", "cu buline", "cu mâneci fluture"), ("bumbac organic", "muselină", "catifea"), (59, 159)),
    Garment("Tricou", "TRK", "3002", "kids", "top",
            ("cu imprimeu dinozaur", "cu dungi", "cu guler polo"), ("bumbac organic", "jerseu"), (29, 79)),
    Garment("Body", "BDY", "3003", "baby", "top",
            ("cu capse", "cu mâneci lungi", "petrecut"), ("bumbac organic", "muselină"), (29, 69)),
    Garment("Teniși", "TNK", "3004", "shoes_kids", "shoe",
            ("cu arici", "cu șireturi elastice", "slip-on"), ("pânză de bumbac", "piele ecologică"), (69, 169)),
    Garment("Geantă", "GNT", "4001", "one", "bag",
            ("tote", "crossbody", "tip plic", "de umăr"), _LEATHER, (129, 499)),
    Garment("Fular", "FLR", "4002", "one", "scarf",
            ("tricotat", "cu franjuri", "în carouri"), _KNIT, (49, 149)),
    Garment("Căciulă", "CCL", "4003", "one", "hat",
            ("cu pompon", "reiată", "cu revers"), _KNIT, (39, 99)),
    Garment("Curea", "CRL", "4004", "one", "belt",
            ("îngustă", "împletită", "cu cataramă lată"), _LEATHER, (49, 129)),
)  # fmt: skip

# name, the code that retailers put into a variant's code, sRGB
COLOURS: tuple[tuple[str, str, str], ...] = (
    ("Negru", "NGR", "#23242a"),
    ("Alb", "ALB", "#f4f1ea"),
    ("Bleumarin", "BLM", "#1f2f56"),
    ("Roșu bordo", "BRD", "#6e1f2f"),
    ("Roz pudră", "ROZ", "#e3b5b4"),
    ("Verde oliv", "OLV", "#6b6d3a"),
    ("Bej", "BEJ", "#d5bd98"),
    ("Gri antracit", "ANT", "#4a4e54"),
    ("Albastru deschis", "ALD", "#8fb4d9"),
    ("Galben muștar", "MST", "#cf9a2c"),
    ("Vișiniu", "VIS", "#8c1c3a"),
    ("Crem", "CRM", "#eadfc6"),
    ("Maro ciocolată", "MRC", "#54382b"),
    ("Turcoaz", "TRQ", "#2f9ea0"),
    ("Lila", "LIL", "#a892c6"),
    ("Cărămiziu", "CRZ", "#b5563a"),
    ("Camel", "CML", "#b98a56"),
    ("Verde smarald", "SMR", "#14694f"),
)
BY_COLOUR_CODE = {code: (name, rgb) for name, code, rgb in COLOURS}
BY_PREFIX = {garment.prefix: garment for garment in GARMENTS}

BRANDS = ("Ilvara", "Noravel", "Casa Brumar", "Tivoara", "Lunca Atelier", "Zefirel", "Marelune", "Pas Domol", "Corvalin",
          "Aramia Studio", "Vântu Nou", "Sorinde")  # fmt: skip
MODELS = ("Amalia", "Ilinca", "Sânziana", "Catrina", "Ruxandra", "Smaranda", "Anca", "Dafina", "Vera", "Otilia", "Brândușa",
          "Lavinia", "Tudor", "Matei", "Vlad", "Horia", "Radu", "Iancu", "Bran", "Cozia", "Retezat", "Ceahlău", "Vama", "Sulina",
          "Bicaz", "Rarău", "Semenic", "Cerna", "Olt", "Mureș")  # fmt: skip
SEASONS = ("primăvară-vară 2026", "toamnă-iarnă 2026", "toată ziua, tot anul", "festiv 2026", "vacanță 2026", "înapoi la școală")
ORIGINS = ("România", "Turcia", "Portugalia", "Italia", "Bulgaria", "Republica Moldova")
CARE = ("Spălare la 30 °C, program delicat", "Spălare manuală, fără înălbitor", "Curățare chimică",
        "Se șterge cu o lavetă umedă", "Spălare la 40 °C, pe dos")  # fmt: skip
FITS = ("lejeră", "dreaptă", "cambrată", "ajustată", "supradimensionată")

OPENINGS = ("O piesă la care te întorci mereu", "Gândită pentru zilele pline", "Inspirată de verile de la țară",
            "Croită în atelier, în serii mici", "Pentru dimineți grăbite și seri lungi", "Un clasic spus altfel",
            "Făcută să reziste mai mult de un sezon")  # fmt: skip
FABRIC_LINES = ("Materialul cade frumos și nu agață pielea.", "Țesătura respiră și își păstrează forma după spălare.",
                "Se simte moale de la prima purtare.", "Finisajul mat ascunde micile urme ale zilei.",
                "Cusăturile sunt întărite acolo unde trage cel mai mult.")  # fmt: skip
OCCASIONS = ("la birou", "la o plimbare în oraș", "la o cină cu prietenii", "în weekend", "la un eveniment", "în călătorie",
             "la grădiniță sau în parc")  # fmt: skip
DETAILS = ("buzunare ascunse în cusătură", "nasturi din sidef", "fermoar discret", "căptușeală moale", "tiv lăsat liber",
           "etichetă țesută", "cusături contrastante", "elastic lat în talie", "detalii brodate de mână")  # fmt: skip
