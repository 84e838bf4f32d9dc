"""The words that make a generated district look like one: people, schools, streets, subjects.

All of them are common words put together at random; none was taken from a real roster. They include what
trips up software in the real world: apostrophes, hyphens, blanks and letters outside ASCII.
"""

import unicodedata

_GIVEN = """
Aaliyah Aaron Abigail Adam Adriana Ahmed Aiden Alana Alejandro Alice Amara Amelia Amir Ana Andre Angela Anna
Anthony Aria Ariel Arjun Asher Ava Beatriz Benjamin Bianca Brandon Brianna Caleb Camila Carlos Caroline
Carter Catalina Chen Chloé Christian Claire Cora Daisy Damian Daniel Daniela David Deja Diego Dominic Dylan
Eleanor Elena Eli Elijah Elise Ella Emiliano Emily Emma Esther Ethan Eva Evelyn Ezra Farah Fatima Felix
Fiona Gabriel Gabriela Gavin Genesis Grace Hannah Hassan Hazel Henry Hugo Ian Ibrahim Imani Isaac Isabella
Isaiah Ivy Jack Jada Jalen James Jasmine Jason Jayden Jenna Joaquín John Jonah Jordan José Joseph Joshua
Josie Julia Julian Kai Kamal Katherine Kayla Keisha Kenji Khadija Kiara Laila Lauren Layla Leah Leo Leonardo
Levi Liam Lila Lily Logan Lucas Lucía Lucy Luis Luna Madison Malik Manuel Marcus Maria Mateo Maya Mei Mia
Micah Miguel Mila Miles Mina Mohammed Molly Naomi Natalia Nathan Nevaeh Nia Nicholas Nina Noah Noor Nora
Olivia Omar Oscar Owen Paige Parker Penelope Priya Quinn Rachel Rafael Rania Ravi Rebecca Reese René Riley
Rohan Rosa Rowan Ruby Ryan Sadie Samir Samuel Santiago Sara Savannah Sebastian Selena Simone Sofía Sophia
Stella Tamara Tariq Terrence Theo Thomas Tiana Trinity Tyler Valentina Victor Violet Vivian Wesley William
Willow Xavier Ximena Yara Yusuf Zachary Zahra Zoë Anne-Marie Mary-Kate D'Andre Jean-Luc
"""
GIVEN = _GIVEN.split() + ["Mary Jo", "Billy Ray"]

_FAMILY = """
Abbott Abdi Acosta Adams Aguilar Ahmed Alexander Ali Allen Alvarez Andersen Anderson Armstrong Arnold Avila
Bailey Baker Banks Barnes Begum Bell Bennett Bhatt Bishop Black Boyd Bradley Brooks Brown Bryant Burke Burns
Butler Cabrera Campbell Cárdenas Carlson Carpenter Carroll Carter Castillo Chan Chávez Chen Chowdhury Clark
Cohen Cole Coleman Collins Contreras Cook Cooper Cox Cruz Cunningham Daniels Davis Dean Delgado Díaz Dixon
Dominguez Douglas Duncan Dunn Edwards Elliott Ellis Estrada Evans Farah Ferguson Fernández Fields Fisher
Fleming Flores Ford Foster Fox Freeman Fuentes Garcia Gardner Garza Gibson Gill Gomez González Gordon Graham
Grant Gray Green Greene Griffin Guerrero Gutierrez Hale Hall Hamilton Hansen Harper Harris Harrison Hassan
Hayes Henderson Hernández Herrera Hill Hoang Hoffman Holland Holmes Howard Huang Hudson Hughes Hunter
Hussein Ibarra Ito Jackson Jacobs Jenkins Jensen Jiménez Johnson Jones Jordan Joshi Juarez Kaur Kelley Kelly
Kennedy Khan Kim King Kowalski Kumar Lam Lane Larson Lawrence Le Lee Lewis Lin Liu Long Lopez Love Lozano
Lynch Mack Maldonado Marsh Marshall Martin Martínez Mason Matthews McBride McCarthy McDonald Medina Mehta
Mejía Mendoza Meyer Miller Mitchell Mohamed Montgomery Moore Morales Moreno Morgan Morris Müller Muñoz
Murphy Murray Navarro Nelson Newman Nguyen Nichols Novak Núñez Ochoa Okafor Oliver Olson Ortega Ortiz Osman
Owens Palmer Park Parker Patel Patterson Payne Pearson Peña Pereira Perez Perkins Perry Peters Pham Phillips
Pierce Porter Powell Price Quinn Ramirez Ramos Reed Reyes Reynolds Rice Richardson Rios Rivera Robinson
Rodriguez Rogers Rojas Romero Rose Ross Ruiz Russell Ryan Salazar Sanchez Sanders Santiago Santos Schmidt
Schultz Scott Shah Sharma Shaw Silva Simmons Simpson Singh Smith Snyder Sørensen Soto Spencer Stephens
Stevens Stewart Stone Sullivan Tanaka Taylor Thomas Thompson Torres Tran Tucker Turner Valdez Vargas Vásquez
Vega Wagner Walker Wallace Wang Ward Warren Washington Watkins Watson Weaver Webb Weber Wells West Wheeler
White Williams Willis Wilson Wong Wood Woods Wright Wu Yang Young Zamora Zhang Zimmerman O'Brien O'Neill
D'Angelo Al-Sayed Smith-Jones Garcia-Lopez
"""
FAMILY = _FAMILY.split() + ["de la Cruz", "Van Dyke", "St. James"]

_PLACES = """
Alder Ash Aspen Bayview Bear Birch Bluff Briar Brook Canyon Cedar Chestnut Cliff Clover Copper Cottonwood
Cypress Deer Eagle Elm Fern Forest Fox Garden Glen Granite Harbor Hawthorn Heron Hickory Hill Hollow Ivy
Juniper Lake Lark Laurel Linden Magnolia Maple Meadow Mill Mountain Oak Orchard Osprey Park Pine Pioneer
Prairie Quail Redwood Ridge River Rose Sage Sierra Spring Spruce Summit Sycamore Timber Valley Walnut Willow
"""
PLACES = _PLACES.split()

_ENDINGS = """
Creek Crest Field Grove Heights Hills Hollow Meadows Point Ridge Run Springs Trail Vale View Woods
"""
ENDINGS = _ENDINGS.split()

_DISTRICTS = """
Fernhollow Marlowe Oakhaven Pinebrook Quillfield Redmarsh Silverbend Thornbury Westmere Yarrowdale
"""
DISTRICTS = _DISTRICTS.split()

_STREETS = """
Avenue Court Drive Lane Place Road Street Way
"""
STREETS = _STREETS.split()

# (title, code, OneRoster subject); the code is followed by the grade.
ELEMENTARY = [
    ("Reading", "ELA", "English"),
    ("Mathematics", "MAT", "Mathematics"),
    ("Science", "SCI", "Science"),
    ("Social Studies", "SOC", "Social Studies"),
    ("Art and Music", "ART", "Arts"),
]
SECONDARY = [
    ("English", "ELA", "English"),
    ("Mathematics", "MAT", "Mathematics"),
    ("Science", "SCI", "Science"),
    ("History", "SOC", "Social Studies"),
    ("Spanish", "LNG", "World Languages"),
    ("Physical Education", "PHE", "Physical Education"),
]

RACES = [
    "Caucasian",
    "Asian",
    "Black or African American",
    "American Indian",
    "Hawaiian or Other Pacific Islander",
    "Two or More Races",
    "Unknown",
]


def login(text: str) -> str:
    """A name as it is used in logins and addresses: lower-case ASCII letters only, possibly none."""
    plain = unicodedata.normalize("NFKD", text.replace("ø", "o").replace("Ø", "O"))
    return "".join(letter for letter in plain if letter.isascii() and letter.isalpha()).lower()
