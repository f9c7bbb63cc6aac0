import type {
  DescribeRegionsRequest,
  DescribeRegionsResult,
  DescribeRouteTablesRequest,
  DescribeRouteTablesResult,
  DescribeSecurityGroupsRequest,
  DescribeSecurityGroupsResult,
  Region,
  RouteTable,
  SecurityGroup,
} from '@aws-sdk/client-ec2';
import type { Cloud } from './cloud.ts';
import { type Fields, matching } from './filters.ts';
import { pageOf } from './paging.ts';

const TABLE_FIELDS: Fields<RouteTable> = { 'vpc-id': ({ VpcId }) => [VpcId] };
const GROUP_FIELDS: Fields<SecurityGroup> = {
  'vpc-id': ({ VpcId }) => [VpcId],
  'group-id': ({ GroupId }) => [GroupId],
  'group-name': ({ GroupName }) => [GroupName],
};
const REGION_FIELDS: Fields<Region & { Tags?: [] }> = { 'region-name': ({ RegionName }) => [RegionName] };

/** Ways out of the subnets, what groups let through, and the regions that there are: read only, and set by hand in the catalog. */
export class Network {
  readonly #cloud: Cloud;

  constructor(cloud: Cloud) {
    this.#cloud = cloud;
  }

  describeRouteTables(input: DescribeRouteTablesRequest): DescribeRouteTablesResult {
    const { page, NextToken } = this.#page(this.#cloud.catalog.routeTables.filter(matching(input.Filters, TABLE_FIELDS)), input);
    return { RouteTables: page, NextToken };
  }

  describeSecurityGroups(input: DescribeSecurityGroupsRequest): DescribeSecurityGroupsResult {
    const { page, NextToken } = this.#page(this.#cloud.catalog.securityGroups.filter(matching(input.Filters, GROUP_FIELDS)), input);
    return { SecurityGroups: page, NextToken };
  }

  describeRegions(input: DescribeRegionsRequest): DescribeRegionsResult {
    const all = Object.entries(this.#cloud.catalog.regions).map(([RegionName, OptInStatus]): Region => ({ RegionName, OptInStatus }));
    const seen = all.filter(({ OptInStatus }) => input.AllRegions || OptInStatus !== 'not-opted-in');
    return { Regions: seen.filter(matching(input.Filters, REGION_FIELDS)) };
  }

  #page<Item>(items: Item[], ask: { MaxResults?: number; NextToken?: string }): { page: Item[]; NextToken: string | undefined } {
    const short = { perPage: this.#cloud.faults.rates.shortPerPage, dice: this.#cloud.streams.of('pages') };
    const { page, next } = pageOf(
      items.map((item, seq) => ({ item, seq })),
      ask,
      short,
    );
    return { page: page.map(({ item }) => item), NextToken: next };
  }
}
