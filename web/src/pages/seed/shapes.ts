import type { Faker } from "@faker-js/faker";

export const SHAPES = ["users", "orders", "sessions", "random"] as const;
export type Shape = (typeof SHAPES)[number];

export interface Item {
  key: string;
  value: string;
  ttlMs: number;
}

/** The life of a session, in ms. */
const SESSION_LIFE = 3_600_000;

const MAKERS: Record<Shape, (faker: Faker, prefix: string) => Item> = {
  users: (faker, prefix) => {
    const id = faker.string.uuid();
    const [first, last] = [faker.person.firstName(), faker.person.lastName()];
    const email = faker.internet.email({ firstName: first, lastName: last });
    const user = {
      id,
      first,
      last,
      email,
      city: faker.location.city(),
      since: faker.date.past({ years: 5 }),
    };
    return { key: `${prefix}user:${id}`, value: JSON.stringify(user), ttlMs: 0 };
  },
  orders: (faker, prefix) => {
    const id = faker.string.alphanumeric({ length: 10, casing: "upper" });
    const lines = faker.helpers.multiple(
      () => ({
        sku: faker.commerce.isbn(),
        name: faker.commerce.productName(),
        price: faker.commerce.price(),
      }),
      { count: { min: 1, max: 5 } },
    );
    const state = faker.helpers.arrayElement(["new", "paid", "sent", "returned"]);
    const order = {
      id,
      customer: faker.string.uuid(),
      state,
      placed: faker.date.recent({ days: 30 }),
      lines,
    };
    return { key: `${prefix}order:${id}`, value: JSON.stringify(order), ttlMs: 0 };
  },
  sessions: (faker, prefix) => {
    const id = faker.string.nanoid();
    const session = { user: faker.string.uuid(), ip: faker.internet.ip(), agent: faker.internet.userAgent() };
    return { key: `${prefix}session:${id}`, value: JSON.stringify(session), ttlMs: SESSION_LIFE };
  },
  random: (faker, prefix) => {
    const length = faker.number.int({ min: 10, max: 500 });
    return {
      key: `${prefix}random:${faker.string.uuid()}`,
      value: faker.string.alphanumeric(length),
      ttlMs: 0,
    };
  },
};

/** Some items of a shape. */
export function makeItems(faker: Faker, shape: Shape, prefix: string, count: number): Item[] {
  return Array.from({ length: count }, () => MAKERS[shape](faker, prefix));
}
