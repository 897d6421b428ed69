"""The EMSV dashboard in a real Chromium: the map is drawn without the internet, and only for EMSV."""

from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser.choosing import choose
from tests.browser.conftest import OPERATOR, Stack, Visitor

NOC = "noc@demo.uniev.id"
# Counts what deck.gl draws by instances: one call per layer of symbols.
COUNT_DRAWS = """
const draw = WebGL2RenderingContext.prototype.drawArraysInstanced;
window.unievDrawn = 0;
for (const name of ["drawArraysInstanced", "drawElementsInstanced"]) {
  const original = WebGL2RenderingContext.prototype[name];
  WebGL2RenderingContext.prototype[name] = function (...values) {
    window.unievDrawn = Math.max(window.unievDrawn, values[values.length - 1]);
    return original.apply(this, values);
  };
}
"""


def test_the_map_is_drawn_with_every_station_and_no_foreign_request(
    stack: Stack, visit: Callable[..., Visitor]
) -> None:
    visitor = visit(stack.emsv.url)
    page = visitor.page
    page.add_init_script(COUNT_DRAWS)
    visitor.sign_in(NOC)
    expect(page.get_by_role("heading", name="Nasional")).to_be_visible()
    stations = stack.get("/api/analytics/dashboard", NOC)["stations"]
    page.wait_for_function(f"window.unievDrawn >= {len(stations)}", timeout=40_000)


def test_a_station_is_found_without_touching_the_map(stack: Stack, visit: Callable[..., Visitor]) -> None:
    visitor = visit(stack.emsv.url)
    page = visitor.page
    visitor.sign_in(NOC)
    choose(page.get_by_role("combobox", name="Pilih stasiun"), "Jayapura")
    expect(page.get_by_text("WIT", exact=False).last).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="Nasional")).to_be_visible()
    assert "station=" in page.url


def test_cpo_staff_are_told_the_other_address(stack: Stack, visit: Callable[..., Visitor]) -> None:
    visitor = visit(stack.emsv.url)
    visitor.sign_in(OPERATOR)
    expect(visitor.page.get_by_role("alert")).to_contain_text("Dasbor CPO ada di")
    visitor.oddities.clear()  # the refusal itself is a 403
