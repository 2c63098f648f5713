"""The books of the demonstration's library: opening lines in the public domain, the rest told by us."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Work:
    """A book to be: `opening` quotes its first lines, `story` tells it in our own words, a paragraph a line.

    Where every translation is somebody's own, `opening` is in our words too.  Years BC are negative.
    """

    title: str
    author: str
    year: int
    opening: str
    story: str
    isbn: str = ""


TREASURE_ISLAND = Work(
    "Treasure Island",
    "Robert Louis Stevenson",
    1883,
    "I remember him as if it were yesterday, as he came plodding to the inn door, his sea-chest following "
    "behind him in a hand-barrow—a tall, strong, heavy, nut-brown man.",
    "An old seaman dies at the Admiral Benbow and leaves a map. Young Jim Hawkins sails to find what it "
    "promises, and half of the crew has sailed with the man who buried it.\n"
    "The ship's cook has one leg, a parrot and a pleasant word for everybody. In an apple barrel Jim hears "
    "what else he has.",
)

MOBY_DICK = Work(
    "Moby Dick; Or, The Whale",
    "Herman Melville",
    1851,
    "Call me Ishmael. Some years ago—never mind how long precisely—having little or no money in my purse, "
    "and nothing particular to interest me on shore, I thought I would sail about a little and see the "
    "watery part of the world.",
    "Ishmael signs on to a whaler and shares his bed, and soon his fortunes, with a harpooner from the "
    "other side of the world.\n"
    "Days out of port the captain shows himself, and what he wants is not oil. One white whale took his "
    "leg, and he means to have the whale, whatever ship and crew may cost.",
)

HOUND = Work(
    "The Hound of the Baskervilles",
    "Arthur Conan Doyle",
    1902,
    "Mr. Sherlock Holmes, who was usually very late in the mornings, save upon those not infrequent "
    "occasions when he was up all night, was seated at the breakfast table.",
    "A family on the moor believes in a hound that hunts its heirs. The last of them but one lies dead in "
    "the yew alley, and beside him is the print of a paw.\n"
    "Watson goes down to Devonshire to keep watch and to write letters. Holmes, so it is said, stays in "
    "London.",
)

WORKS = (
    TREASURE_ISLAND,
    MOBY_DICK,
    HOUND,
    Work(
        "Pride and Prejudice",
        "Jane Austen",
        1813,
        "It is a truth universally acknowledged, that a single man in possession of a good fortune, must "
        "be in want of a wife.",
        "A rich man takes the house next door, and a mother of five daughters makes plans. His friend, who "
        "is richer, finds the second daughter tolerable, and she hears him say so.\n"
        "What each of them is sure of about the other turns out wrong, one letter and one long walk at a "
        "time.",
        isbn="9780141439518",
    ),
    Work(
        "The Time Machine",
        "H. G. Wells",
        1895,
        "The Time Traveller (for so it will be convenient to speak of him) was expounding a recondite "
        "matter to us. His pale grey eyes shone and twinkled, and his usually pale face was flushed and "
        "animated.",
        "A man builds a saddle of brass and quartz and rides it to the year 802,701. There he finds a "
        "garden, gentle people who play in it, and wells from which the beat of engines comes.\n"
        "When he learns what the gentle people fear in the dark, his machine is gone.",
    ),
    Work(
        "Frankenstein",
        "Mary Shelley",
        1818,
        "You will rejoice to hear that no disaster has accompanied the commencement of an enterprise which "
        "you have regarded with such evil forebodings.",
        "A captain among the ice takes a freezing man aboard, and writes down what he tells: how he "
        "learned to give life, gave it, and ran away from what opened its eyes.\n"
        "What he made learns to speak by listening at a wall, and comes to ask him for company.",
    ),
    Work(
        "Dracula",
        "Bram Stoker",
        1897,
        "3 May. Bistritz.—Left Munich at 8:35 P.M., on 1st May, arriving at Vienna early next morning; "
        "should have arrived at 6:46, but train was an hour late.",
        "A young solicitor travels to sell a house in London to a count who casts no reflection. His "
        "diary, her letters, a ship's log and the cuttings of newspapers tell what follows him home.\n"
        "An old doctor from Amsterdam knows what it is, and what it cannot bear.",
    ),
    Work(
        "The Picture of Dorian Gray",
        "Oscar Wilde",
        1890,
        "The studio was filled with the rich odour of roses, and when the light summer wind stirred amidst "
        "the trees of the garden, there came through the open door the heavy scent of the lilac.",
        "A young man sees his portrait and wishes that it might grow old instead of him.\n"
        "It does. He keeps it behind a curtain under the roof, and goes up now and then to see what he has "
        "become.",
    ),
    Work(
        "Alice's Adventures in Wonderland",
        "Lewis Carroll",
        1865,
        "Alice was beginning to get very tired of sitting by her sister on the bank, and of having nothing "
        "to do: once or twice she had peeped into the book her sister was reading, but it had no pictures "
        "or conversations in it.",
        "She follows a rabbit with a watch down a hole, and nothing keeps its size after that, least of "
        "all Alice.\n"
        "There is a tea at which it is always six o'clock, a cat that leaves its grin behind, and a trial "
        "with the sentence first.",
    ),
    Work(
        "Walden, or Life in the Woods",
        "Henry David Thoreau",
        1854,
        "When I wrote the following pages, or rather the bulk of them, I lived alone, in the woods, a mile "
        "from any neighbor, in a house which I had built myself, on the shore of Walden Pond.",
        "He counts what the house cost, what the beans brought in, and how many hours of work a life takes "
        "when it is kept simple.\n"
        "Between the sums there are the ice on the pond, the battle of the ants, and visitors.",
    ),
    Work(
        "Electra",
        "Sophocles",
        -410,
        "An old servant brings a young man home to the city that he was smuggled out of as a child.",
        "Electra has mourned at the palace gate for years. She is told that her brother is dead, and holds "
        "the urn with his ashes, while he stands before her.",
    ),
    Work(
        "Electra",
        "Euripides",
        -413,
        "A farmer stands before his cottage at dawn and tells how a princess came to be his wife.",
        "Here Electra carries water, married off to a poor man who has never touched her. Her brother "
        "comes as a stranger, and an old shepherd knows him by a scar.",
    ),
    Work(
        "Emma",
        "Jane Austen",
        1815,
        "Emma Woodhouse, handsome, clever, and rich, with a comfortable home and happy disposition, seemed "
        "to unite some of the best blessings of existence.",
        "She makes matches for everybody in the village and is wrong about every heart, her own included.",
    ),
    Work(
        "Romeo and Juliet",
        "William Shakespeare",
        1597,
        "Two households, both alike in dignity, in fair Verona, where we lay our scene, from ancient "
        "grudge break to new mutiny.",
        "Two children of enemies meet at a dance, marry the next day, and have four days in all.",
    ),
    Work(
        "The War of the Worlds",
        "H. G. Wells",
        1898,
        "No one would have believed in the last years of the nineteenth century that this world was being "
        "watched keenly and closely by intelligences greater than man's and yet as mortal as his own.",
        "A cylinder falls on a common in Surrey, and its lid begins to turn.",
    ),
    Work(
        "A Christmas Carol",
        "Charles Dickens",
        1843,
        "Marley was dead: to begin with. There is no doubt whatever about that.",
        "A miser has four visitors in one night, and wakes to find that it is still Christmas morning.",
    ),
    Work(
        "A Tale of Two Cities",
        "Charles Dickens",
        1859,
        "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of "
        "foolishness.",
        "A doctor is brought back to life from the Bastille, and years later it wants his family instead.",
    ),
    Work(
        "The Odyssey",
        "Homer",
        -700,
        "Tell me, O Muse, of that ingenious hero who travelled far and wide after he had sacked the famous "
        "town of Troy.",
        "Ten years of war are followed by ten years of the way home, and suitors sit at the table there.",
    ),
    Work(
        "Jane Eyre",
        "Charlotte Brontë",
        1847,
        "There was no possibility of taking a walk that day.",
        "A governess keeps her own counsel in a house where somebody laughs behind a door in the attic.",
    ),
    Work(
        "The Wonderful Wizard of Oz",
        "L. Frank Baum",
        1900,
        "Dorothy lived in the midst of the great Kansas prairies, with Uncle Henry, who was a farmer, and "
        "Aunt Em, who was the farmer's wife.",
        "A house comes down on a witch, and the way home is paved with yellow brick.",
    ),
    Work(
        "Peter Pan",
        "J. M. Barrie",
        1911,
        "All children, except one, grow up.",
        "He comes in by the nursery window to look for his shadow, and does not leave alone.",
    ),
)
