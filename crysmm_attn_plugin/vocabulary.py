"""Word tables behind ``words``: elements, stop words, and the field's vocabulary by category. Data only.

Source: element names follow the IUPAC periodic table, with the common spellings sulphur, aluminum and
cesium. The stop words are the closed classes of English (articles, pronouns, prepositions, conjunctions,
auxiliaries), listed here by class and not copied from any package; free to use under this project's licence.
Space-group and point-group notation: short Hermann-Mauguin symbols as in the International Tables, volume A.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TABLE = """
H hydrogen He helium Li lithium Be beryllium B boron C carbon N nitrogen O oxygen F fluorine Ne neon Na
sodium Mg magnesium Al aluminium Si silicon P phosphorus S sulfur Cl chlorine Ar argon K potassium Ca
calcium Sc scandium Ti titanium V vanadium Cr chromium Mn manganese Fe iron Co cobalt Ni nickel Cu copper Zn
zinc Ga gallium Ge germanium As arsenic Se selenium Br bromine Kr krypton Rb rubidium Sr strontium Y yttrium
Zr zirconium Nb niobium Mo molybdenum Tc technetium Ru ruthenium Rh rhodium Pd palladium Ag silver Cd
cadmium In indium Sn tin Sb antimony Te tellurium I iodine Xe xenon Cs caesium Ba barium La lanthanum Ce
cerium Pr praseodymium Nd neodymium Pm promethium Sm samarium Eu europium Gd gadolinium Tb terbium Dy
dysprosium Ho holmium Er erbium Tm thulium Yb ytterbium Lu lutetium Hf hafnium Ta tantalum W tungsten Re
rhenium Os osmium Ir iridium Pt platinum Au gold Hg mercury Tl thallium Pb lead Bi bismuth Po polonium At
astatine Rn radon Fr francium Ra radium Ac actinium Th thorium Pa protactinium U uranium Np neptunium Pu
plutonium Am americium Cm curium Bk berkelium Cf californium Es einsteinium Fm fermium Md mendelevium No
nobelium Lr lawrencium Rf rutherfordium Db dubnium Sg seaborgium Bh bohrium Hs hassium Mt meitnerium Ds
darmstadtium Rg roentgenium Cn copernicium Nh nihonium Fl flerovium Mc moscovium Lv livermorium Ts
tennessine Og oganesson
"""
_ELEMENTS = _TABLE.split()

#: The 118 element symbols, by atomic number.
SYMBOLS: tuple[str, ...] = tuple(_ELEMENTS[::2])

#: Element name (lower case) to symbol.
ELEMENT_NAMES: dict[str, str] = {
    **dict(zip(_ELEMENTS[1::2], _ELEMENTS[::2])),
    "sulphur": "S",
    "aluminum": "Al",
    "cesium": "Cs",
    "wolfram": "W",
    "sulfide": "S",
    "sulphide": "S",
    "oxide": "O",
    "nitride": "N",
    "carbide": "C",
    "fluoride": "F",
    "chloride": "Cl",
    "bromide": "Br",
    "iodide": "I",
    "selenide": "Se",
    "telluride": "Te",
    "phosphide": "P",
    "hydride": "H",
    "boride": "B",
    "silicide": "Si",
    "arsenide": "As",
}

#: Symbols that are also English words when written with a capital, or (lower-cased) common words.
SYMBOLS_THAT_ARE_WORDS = _words("In As At He I No Be Am")

#: Words after a sentence-initial "In", "As", "No" ... that show it to be the English word.
AFTER_ENGLISH_WORD = _words(
    """
    the a an this that these those each all both addition contrast total which one some any most particular
    general other another order our its their such between crystal crystals mineral two three four five six
    comparison summary fact there turn it we you he she they shown expected seen well for to
    """
)

#: Upper-case abbreviations that would parse as a formula but are not one.
NOT_FORMULAS = _words("II III IV VI VII VIII CIF BCC HCP FCC SCF")

STOP_WORDS = _words(
    """
    a an the i me my mine myself we us our ours ourselves you your yours yourself yourselves he him his
    himself she her hers herself it its itself they them their theirs themselves this that these those who
    whom whose which what there here about above across after against along among around as at before behind
    below beneath beside between beyond by despite down during except for from in inside into near of off on
    onto out outside over per since through throughout to toward towards under until up upon via with within
    without and but or nor so yet if then than because while although though unless whereas whether when
    where how why am is are was were be been being have has had having do does did doing done can could may
    might must shall should will would ought not no none neither either both each every all any some such
    only own same other others another few more most much many less least several very too also just quite
    rather again once thus hence therefore however further furthermore moreover respectively
    """
)

NUMBER_WORDS = _words(
    """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
    twenty twenty-four first second third fourth fifth sixth seventh eighth ninth tenth half single double
    triple length lengths distance distances range ranges ranging shorter longer short long shortest longest
    bond_distances bond_lengths angstrom angstroms å ångström nm pm degree degrees ° º
    """
)

GEOMETRY_WORDS = _words(
    """
    bond bonds bonded bonding coordinate coordinated coordinates coordination geometry geometries geometric
    octahedra octahedral octahedron tetrahedra tetrahedral tetrahedron polyhedra polyhedral polyhedron
    cuboctahedra cuboctahedral cuboctahedron pyramid pyramids pyramidal bipyramid bipyramidal
    trigonal-planar planar linear bent distorted see-saw seesaw t-shaped square rectangular prism prismatic
    antiprism antiprismatic cube cubes water-like l-shaped body-centered face-centered hexagonal-planar
    corner corners edge edges face faces corner-sharing edge-sharing face-sharing share shares shared
    sharing tilt tilts tilted tilting angle angles layer layers layered sheet sheets ribbon ribbons cluster
    clusters framework frameworks chain chains molecule molecules dimensional zero-dimensional
    one-dimensional two-dimensional three-dimensional plane planes site sites neighbor neighbors neighbour
    neighbours nearest lattice lattice_parameters lattice_angles form forms formed oriented direction
    stacked packing packed cell
    """
)

SYMMETRY_WORDS = _words(
    """
    cubic tetragonal hexagonal trigonal rhombohedral orthorhombic monoclinic triclinic spacegroup pointgroup
    spacegroups symmetry symmetries symmetric symmetrically centrosymmetric non-centrosymmetric
    noncentrosymmetric wyckoff spg_number spg_symbol spg crystal_system point_group space_group equivalent
    inequivalent symmetry-equivalent symmetry-inequivalent bravais centering centring inversion mirror glide
    screw enantiomorphic chiral polar
    """
)

#: The 32 crystallographic point groups that are not plain numbers.
POINT_GROUPS: tuple[str, ...] = (
    "2/m", "mmm", "mm2", "-4", "4/m", "4mm", "-42m", "-4m2", "4/mmm", "-3", "3m", "-3m", "-6", "6/m", "6mm",
    "-62m", "-6m2", "6/mmm", "m-3", "-43m", "m-3m", "-1", "-3m1", "-31m", "3m1", "31m", "31",
)  # fmt: skip

#: Lower-case symbols that are words or units in prose; without the spelling they name no element.
SYMBOLS_LIKE_LOWER_WORDS: frozenset[str] = _words(
    """
    in as at he i no be am la mo co pa os po ho si es md mt mc nh re ts db ds ge pm cm fm
    """
)

#: Words shortly before a space group.
SYMMETRY_BEFORE: frozenset[str] = _words(
    """
    spacegroup spg_symbol space symmetry pointgroup point_group crystallizes crystallises cubic tetragonal
    hexagonal trigonal rhombohedral orthorhombic monoclinic triclinic
    """
)

#: Fields whose values, though numbers or letters, speak of symmetry; and what may stand between them.
SYMMETRY_FIELDS: frozenset[str] = _words(
    "spg_number spg_symbol wyckoff point_group pointgroup crystal_system"
)
FIELD_FILLERS: frozenset[str] = _words("is are number symbols symbol letters positions and :")
